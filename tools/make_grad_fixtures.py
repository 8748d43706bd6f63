#!/usr/bin/env python3
"""Make the gradient references of tests/fixtures/grad.

How to run (the fixtures are committed; this is only needed to change them):

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python tools/make_grad_fixtures.py tests/fixtures/model tests/fixtures/grad

For every folder of tests/fixtures/model one text file. PyTorch runs the model
in float64 over two sequences of 37 and 20 tokens; token i of sequence s is
(i * i * 7 + 31 * i + 57 * s + 3) mod n_vocab. The loss is

    sum over s and i of w(s, i) * log p(token i + 1 | tokens 0 .. i)
        + 0.05 * balance

with w(s, i) = ((5 * i + 3 * s) mod 11 - 5) / 20, the softmax at temperature 0.8,
and balance the mean over sparse layers of n_expert * sum of f(e) * P(e): the
share of rows that chose expert e times its mean router probability. A line is

    NAME  DOT  NORM

NAME as in GGUF (experts one by one), NORM the gradient's Euclidean length and
DOT its product with the pattern (k * 2654435761 mod 2^32) / 2^32 - 0.5 over its
elements k. The first two lines are "loss VALUE 0" and "balance VALUE 0".
"""
import os
import re
import sys

import torch
from transformers import AutoModelForCausalLM

PARTS = {
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
    "mlp.gate.weight": "ffn_gate_inp.weight",
}
WHOLE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def tensors(name, grad):
    """GGUF names and gradients of one parameter of transformers."""
    if name in WHOLE:
        return [(WHOLE[name], grad)]
    layer, part = re.fullmatch(r"model\.layers\.(\d+)\.(.*)", name).groups()
    head = f"blk.{layer}."
    if part in PARTS:
        return [(head + PARTS[part], grad)]
    qkv = re.fullmatch(r"self_attn\.([qkv])_proj\.(weight|bias)", part)
    if qkv:
        return [(f"{head}attn_{qkv[1]}.{qkv[2]}", grad)]
    if part == "mlp.experts.gate_up_proj":       # [expert, gate rows then up rows, d_model]
        half = grad.shape[1] // 2
        return [(f"{head}ffn_{w}.{e}.weight", g[rows]) for e, g in enumerate(grad)
                for w, rows in (("gate", slice(half)), ("up", slice(half, None)))]
    if part == "mlp.experts.down_proj":
        return [(f"{head}ffn_down.{e}.weight", g) for e, g in enumerate(grad)]
    raise SystemExit(f"no GGUF name for {name}")


def balance_of(out, config, n_row):
    """Of both sequences together: each gives router logits a layer."""
    n_layer = len(out[0].router_logits)
    total = 0
    for layer in range(n_layer):
        prob = torch.cat([o.router_logits[layer] for o in out]).softmax(-1)
        chosen = prob.topk(config.num_experts_per_tok).indices
        share = torch.zeros(prob.shape[1]).double()
        share.index_add_(0, chosen.flatten(), torch.ones(chosen.numel()).double())
        total = total + prob.shape[1] * (share / n_row * prob.mean(0)).sum()
    return total / n_layer


def make(folder, path):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                 attn_implementation="eager",
                                                 experts_implementation="eager").double()
    model.get_input_embeddings().padding_idx = None      # else its row has no gradient
    n_vocab = model.config.vocab_size
    sparse = getattr(model.config, "num_experts", None)
    loss, outs = torch.zeros(()).double(), []
    for s, n in enumerate((37, 20)):
        ids = torch.tensor([[(i * i * 7 + 31 * i + 57 * s + 3) % n_vocab for i in range(n)]])
        out = model(ids, use_cache=False, **({"output_router_logits": True} if sparse else {}))
        log_p = (out.logits[0] / 0.8).log_softmax(-1)
        for i in range(n - 1):
            loss = loss + ((5 * i + 3 * s) % 11 - 5) / 20 * log_p[i, ids[0, i + 1]]
        outs.append(out)
    balance = balance_of(outs, model.config, 57) if sparse else torch.zeros(()).double()
    (loss + 0.05 * balance).backward()
    lines = [f"loss {loss.item():.12g} 0", f"balance {balance.item():.12g} 0"]
    for name, p in model.named_parameters():
        for gguf, grad in tensors(name, p.grad):
            g = grad.contiguous().flatten()
            k = torch.arange(g.numel(), dtype=torch.int64)
            pattern = (k * 2654435761 % 2**32).double() / 2**32 - 0.5
            lines.append(f"{gguf} {torch.dot(g, pattern).item():.9g} {g.norm().item():.9g}")
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")


def main():
    source, target = sys.argv[1:]
    os.makedirs(target, exist_ok=True)
    for name in sorted(os.listdir(source)):
        make(os.path.join(source, name), os.path.join(target, name + ".txt"))


if __name__ == "__main__":
    main()
