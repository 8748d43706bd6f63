#!/usr/bin/env python3
"""Make the tiny reference models of tests/fixtures/model.

How to run (the fixtures are committed; this is only needed to change them):

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python tools/make_model_fixtures.py tests/fixtures/model

Every folder is a complete Hugging Face model folder with random weights and a
tiny byte-level tokenizer, plus logits.bin. Weights are rounded to bfloat16 and
stored so; the logits are computed by transformers in float32 with eager
attention from the very folder that was written, so they also prove that
transformers reads it.

logits.bin, all little-endian 32-bit words, in this order:

    uint32  magic 0x31474C50 ("PLG1")
    int32   n_seq
    int32   n_vocab
    n_seq times:
        int32    n_tok
        int32    ids[n_tok]
        float32  logits[n_tok][n_vocab]   row t: scores for the token after ids[t]

The sequences are 1, 7 and 40 tokens long.

    llama     tied embedding; config.json with the keys of transformers 4
    llama3    untied, llama3 rope scaling, head_dim given, four weight shards
    qwen2     biases on q, k and v; vocabulary padded past the tokenizer;
              keys of transformers 4
    qwen3     q/k norm, head_dim 32 with d_model 64, untied
    qwen3moe  8 experts, 2 used, renormalised; one tensor an expert
    smollm3   4 layers, the last one without position encoding; transformers 4
"""
import json
import os
import shutil
import struct
import sys

import torch
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, trainers)
from transformers import (AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config,
                          Qwen3Config, Qwen3MoeConfig, SmolLM3Config)

TEXT = """The little ship went out to sea at noon, and by 3:15 it was 12 miles away.
"Don't count the stars," said the captain; "we've 1024 of them!" 7 + 5 = 12, 12 * 2 = 24.
    if (x > 0) { return x - 1; }   // it's fine
Let us think step by step. First, we add the numbers. Then we check the answer.
Grüße aus Köln, déjà vu, naïve café. The answer is 42.
"""

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3_SPLIT = (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2_SPLIT = LLAMA3_SPLIT.replace(r"\p{N}{1,3}", r"\p{N}")

CHATML = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
          "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


def tokenizer(kind):
    """A byte-level BPE of 256 bytes, some merges and a few control tokens."""
    t = Tokenizer(models.BPE(ignore_merges=kind in ("llama3", "smollm3")))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind == "llama")
    if kind == "llama":              # the SmolLM2 splitter: digits alone, then gpt2's
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte_level])
    else:
        split = LLAMA3_SPLIT if kind in ("llama3", "smollm3") else QWEN2_SPLIT
        t.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Split(Regex(split), "isolated"), byte_level])
    if kind.startswith("qwen"):
        t.normalizer = normalizers.NFC()
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator([TEXT], trainers.BpeTrainer(
        vocab_size=278, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    if kind == "llama3":
        special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>",
                   "<|start_header_id|>", "<|end_header_id|>"]
    else:
        special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    t.add_special_tokens(special)
    if kind != "llama":
        t.add_tokens([AddedToken(s, normalized=False) for s in ("<think>", "</think>")])
    bos = special[0] if kind in ("llama", "llama3") else None
    eos = special[2] if kind != "llama3" else special[1]
    fast = PreTrainedTokenizerFast(tokenizer_object=t, bos_token=bos, eos_token=eos,
                                   pad_token=special[0], add_bos_token=kind == "llama3")
    if kind != "llama3":
        fast.chat_template = CHATML
    return fast


def config(kind, tok):
    small = dict(vocab_size=len(tok), hidden_size=64, intermediate_size=128, num_hidden_layers=3,
                 num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
                 bos_token_id=tok.bos_token_id, eos_token_id=tok.eos_token_id,
                 pad_token_id=tok.pad_token_id, torch_dtype="bfloat16")
    theta = lambda base: {"rope_type": "default", "rope_theta": base}
    if kind == "llama":
        return LlamaConfig(**small, rms_norm_eps=1e-5, tie_word_embeddings=True,
                           rope_parameters=theta(10000.0))
    if kind == "llama3":
        small.update(intermediate_size=96, num_hidden_layers=2, head_dim=32,
                     max_position_embeddings=512)
        return LlamaConfig(**small, rms_norm_eps=1e-5, tie_word_embeddings=False, rope_parameters={
            "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 64})
    if kind == "qwen2":
        small.update(vocab_size=320)
        return Qwen2Config(**small, rms_norm_eps=1e-6, tie_word_embeddings=True,
                           rope_parameters=theta(1000000.0))
    if kind == "qwen3":
        return Qwen3Config(**small, head_dim=32, rms_norm_eps=1e-6, tie_word_embeddings=False,
                           rope_parameters=theta(1000000.0))
    if kind == "qwen3moe":
        small.update(num_hidden_layers=2)
        return Qwen3MoeConfig(**small, head_dim=16, rms_norm_eps=1e-6, tie_word_embeddings=False,
                              rope_parameters=theta(1000000.0), num_experts=8,
                              num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=True)
    small.update(num_hidden_layers=4, intermediate_size=96)
    return SmolLM3Config(**small, rms_norm_eps=1e-6, tie_word_embeddings=True,
                         rope_parameters=theta(2000000.0))


def fill(model, gen):
    """Weights large enough that every part of the forward shows in the logits."""
    for name, p in model.named_parameters():
        draw = torch.randn(p.shape, generator=gen)
        if name.endswith("norm.weight"):
            p.data = 1 + 0.2 * draw
        elif name.endswith(".bias"):
            p.data = 0.5 * draw
        elif "embed_tokens" in name or "lm_head" in name:
            p.data = 0.25 * draw
        else:
            gain = 1.5 if any(s in name for s in ("q_proj", "k_proj", "mlp.gate.weight")) else 1.0
            p.data = gain * draw / p.shape[-1] ** 0.5
        p.data = p.data.bfloat16().float()


def old_keys(folder):
    """Rewrite config.json with the keys that transformers 4 wrote."""
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        c = json.load(f)
    rope = c.pop("rope_parameters")
    c["rope_theta"] = rope.pop("rope_theta")
    c["rope_scaling"] = None
    c["torch_dtype"] = c.pop("dtype")
    with open(path, "w") as f:
        json.dump(c, f, indent=2, sort_keys=True)
        f.write("\n")


def expert_gap(model, ids):
    """Smallest distance between the last expert chosen and the first left out."""
    routed = model(torch.tensor([ids]), output_router_logits=True).router_logits
    best = torch.cat(routed).softmax(-1).sort(descending=True).values
    k = model.config.num_experts_per_tok
    return (best[:, k - 1] - best[:, k]).min().item()


def make(kind, folder, seed):
    gen = torch.Generator().manual_seed(seed)
    tok = tokenizer(kind)
    cfg = config(kind, tok)
    cfg._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(cfg, dtype=torch.float32)
    fill(model, gen)
    shutil.rmtree(folder, ignore_errors=True)
    shard = {"max_shard_size": "80KB"} if kind == "llama3" else {}
    model.bfloat16().save_pretrained(folder, **shard)
    tok.save_pretrained(folder)
    if kind in ("llama", "qwen2", "smollm3"):
        old_keys(folder)
        template = os.path.join(folder, "chat_template.jinja")
        path = os.path.join(folder, "tokenizer_config.json")
        with open(path) as f:
            c = json.load(f)
        with open(template) as f:
            c["chat_template"] = f.read()
        os.remove(template)
        with open(path, "w") as f:
            json.dump(c, f, indent=2)
            f.write("\n")
    generation = os.path.join(folder, "generation_config.json")
    if os.path.exists(generation):
        os.remove(generation)

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    with open(os.path.join(folder, "logits.bin"), "wb") as f, torch.no_grad():
        f.write(struct.pack("<Iii", 0x31474C50, 3, cfg.vocab_size))
        for n in (1, 7, 40):
            ids = torch.randint(0, len(tok), (n,), generator=gen).tolist()
            logits = model(torch.tensor([ids])).logits[0].float()
            if kind == "qwen3moe" and expert_gap(model, ids) < 1e-3:
                return False         # a rounding difference could change the experts
            f.write(struct.pack(f"<i{n}i", n, *ids))
            f.write(logits.numpy().astype("<f4").tobytes())
    print(f"{kind}: seed {seed}, logits std {logits.std():.2f}, "
          f"{sum(p.numel() for p in model.parameters())} parameters")
    return True


def main():
    out = sys.argv[1]
    torch.set_num_threads(1)
    for i, kind in enumerate(("llama", "llama3", "qwen2", "qwen3", "qwen3moe", "smollm3")):
        seed = 100 * (i + 1)
        while not make(kind, os.path.join(out, kind), seed):
            seed += 1


main()
