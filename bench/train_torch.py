#!/usr/bin/env python3
"""Our training step against PyTorch's, round by round (bench/train_torch.sh calls this).

Both sides fine-tune a model of the shape of a given GGUF file on the same 1,024 worked
chains, 128 a step, about 7,700 tokens: forward, loss on the completions, backward, clip,
AdamW. Ours is `ponder train`, and its time holds reading, encoding and packing the
examples as well; PyTorch gets token ids ready in memory. A side's speed is the median
over the steps of a round but the first two; rounds alternate, and the figure is the
median over the rounds of ours / theirs. Tokens are those of the examples: padding does
not count.

PyTorch (compiled by inductor, scaled_dot_product_attention, fused AdamW, all
processors) is first tried every way below and measured with the fastest:
  padded   the exact step: sequences by length, in parts of 32, padded to 32
  packed   sequences one after another in rows of 256 or 512, without masks between
           them, which is faster and not quite the same
  amp      autocast to bf16, weights in f32
  bf16     weights and moments in bf16 as well, which trains worse

  train_vs_torch            ratio
  ours_train, torch_train   the medians behind it, tok/s
"""

import argparse
import json
import os
import random
import select
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BATCH = 128
STEPS = 8
WAYS = [(layout, kind) for layout in ("padded", "packed 256", "packed 512")
        for kind in ("amp", "bf16")]
REPLY_S = 3600               # a first step compiles
OPERATIONS = ("add", "subtract", "multiply by")


def say(text):
    print(text, flush=True)


# ------------------------------------------------------------------------- data

def example(rng):
    value = rng.randrange(100)
    text, work = [f"Start with {value}"], [str(value)]
    for _ in range(rng.randint(1, 4)):
        op, n = rng.choice(OPERATIONS), rng.randint(2, 9)
        text.append(f"{op} {n}")
        before = value
        value = {"add": value + n, "subtract": value - n}.get(op, value * n) % 100
        sign = {"add": "+", "subtract": "-"}.get(op, "*")
        work.append(f"{before}{sign}{n}={value}")
    question = ", ".join(text) + ". Keep only the last two digits after every step."
    return question, "\n".join(work) + f"\n={value}", str(value)


def write_data(folder):
    rng = random.Random(7)
    rows = [example(rng) for _ in range(BATCH * STEPS)]
    with open(os.path.join(folder, "rows.jsonl"), "w", encoding="utf-8") as f:
        for question, think, answer in rows:
            f.write(json.dumps({"messages": [
                {"role": "user", "content": question},
                {"role": "assistant", "reasoning_content": think, "content": answer}]}) + "\n")
    return rows


# ------------------------------------------------------------------------- ours

def run_ours(opt, folder, turn):
    out = os.path.join(folder, f"run-{turn}")
    job = {"model": opt.model, "training_file": os.path.join(folder, "rows.jsonl"), "seed": 1,
           "method": {"type": "supervised", "supervised": {"hyperparameters": {
               "n_epochs": 1, "batch_size": BATCH}}},
           "ponder": {"output": out, "stage": "sft", "context": 512, "max_rows": 8192,
                      "learning_rate": 1e-4, "checkpoint_every": 100000,
                      "optimizer": {"beta2": 0.95, "weight_decay": 0.01, "clip": 1}}}
    path = os.path.join(folder, "job.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(job, f)
    p = subprocess.run([opt.ponder, "train", path], stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True)
    if p.returncode:
        sys.exit(f"train_torch: ponder train: {p.stderr.strip().splitlines()[-1]}")
    with open(os.path.join(out, "metrics.jsonl"), encoding="utf-8") as f:
        rows = [json.loads(line) for line in f]
    rows = [r for r in rows if "tok_s" in r]
    shutil.rmtree(out)
    return statistics.median(r["tok_s"] for r in rows[2:]), rows[-1]["tokens"]


# ----------------------------------------------------------------------- worker

def read_shape(path):
    from gguf import GGUFReader
    r = GGUFReader(path)
    arch = r.fields["general.architecture"].contents()

    def field(name, default=None):
        f = r.fields.get(name.replace("ARCH", arch))
        return f.contents() if f else default

    heads = field("ARCH.attention.head_count")
    d = field("ARCH.embedding_length")
    layers = field("ARCH.block_count")
    return {
        "layers": layers, "d": d, "heads": heads,
        "kv": field("ARCH.attention.head_count_kv", heads),
        "dh": field("ARCH.attention.key_length", d // heads),
        "ff": field("ARCH.feed_forward_length"),
        "base": field("ARCH.rope.freq_base", 10000.0),
        "no_rope": field("ponder.no_rope", [0] * layers),
        "qk_norm": any("attn_q_norm" in t.name for t in r.tensors),
        "tied": not any(t.name == "output.weight" for t in r.tensors),
        "tokens": field("tokenizer.ggml.tokens"), "merges": field("tokenizer.ggml.merges"),
        "types": field("tokenizer.ggml.token_type"),
    }


def encoder(shape):
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers
    vocab = {t: i for i, t in enumerate(shape["tokens"])}
    t = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m.split(" ", 1)) for m in shape["merges"]]))
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    t.add_special_tokens([AddedToken(x, special=True, normalized=False)
                          for x, k in zip(shape["tokens"], shape["types"]) if k == 3])
    return t


def encode(shape, rows):
    t = encoder(shape)
    out = []
    for question, think, answer in rows:
        prompt = t.encode(f"<|user|>{question}<|end|><|assistant|><|medium|><think>").ids
        rest = t.encode(f"{think}</think>{answer}<|end|>").ids
        out.append((prompt + rest, len(prompt)))
    return out


def worker(opt):
    import torch
    import torch.nn as nn
    import torch.nn.functional as F

    shape = read_shape(opt.model)
    torch.set_num_threads(os.cpu_count())
    torch.manual_seed(1)
    data = encode(shape, write_data(opt.folder))
    d, h, kv, dh = shape["d"], shape["heads"], shape["kv"], shape["dh"]

    class Norm(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(n))

        def forward(self, x):
            return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), 1e-6)

    class Block(nn.Module):
        def __init__(self, rope):
            super().__init__()
            self.n1, self.n2, self.rope = Norm(d), Norm(d), rope
            if shape["qk_norm"]:
                self.nq, self.nk = Norm(dh), Norm(dh)
            self.qkv = nn.Linear(d, (h + 2 * kv) * dh, bias=False)
            self.o = nn.Linear(h * dh, d, bias=False)
            self.gate_up = nn.Linear(d, 2 * shape["ff"], bias=False)
            self.down = nn.Linear(shape["ff"], d, bias=False)

        def forward(self, x, cos, sin):
            b, t, _ = x.shape
            q, k, v = self.qkv(self.n1(x)).split((h * dh, kv * dh, kv * dh), -1)
            q, k, v = (z.view(b, t, -1, dh).transpose(1, 2) for z in (q, k, v))
            if shape["qk_norm"]:
                q, k = self.nq(q), self.nk(k)
            if self.rope:
                q, k = turn(q, cos, sin), turn(k, cos, sin)
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=h != kv)
            x = x + self.o(a.transpose(1, 2).reshape(b, t, h * dh))
            g, u = self.gate_up(self.n2(x)).chunk(2, -1)
            return x + self.down(F.silu(g) * u)

    def turn(x, cos, sin):
        a, b = x.chunk(2, -1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(len(shape["tokens"]), d)
            self.blocks = nn.ModuleList(Block(not n) for n in shape["no_rope"])
            self.norm = Norm(d)
            self.head = None if shape["tied"] else nn.Linear(d, len(shape["tokens"]), bias=False)

        def forward(self, ids, targets, cos, sin):
            x = self.embed(ids)
            for block in self.blocks:
                x = block(x, cos[:ids.shape[1]], sin[:ids.shape[1]])
            w = self.embed.weight if self.head is None else self.head.weight
            logits = F.linear(self.norm(x), w)
            return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(),
                                   ignore_index=-1, reduction="sum")

    freq = 1.0 / shape["base"] ** (torch.arange(0, dh, 2).float() / dh)
    angle = torch.arange(1024).float()[:, None] * freq
    cos, sin = angle.cos(), angle.sin()

    def batches(layout, examples):
        """[(ids, targets)] of one step."""
        pairs = [(ids[:-1], [-1] * (n - 1) + ids[n:]) for ids, n in examples]
        if layout == "padded":
            pairs.sort(key=lambda p: len(p[0]))
            out = []
            for i in range(0, len(pairs), 32):
                part = pairs[i:i + 32]
                width = -(-max(len(p[0]) for p in part) // 32) * 32
                out.append(tuple(torch.tensor([p[k] + [fill] * (width - len(p[k])) for p in part])
                                 for k, fill in ((0, 0), (1, -1))))
            return out
        width = int(layout.split()[1])
        flat = [sum((p[k] for p in pairs), []) for k in (0, 1)]
        # Rows of one shape for all steps, or it would compile anew.
        n = 8192 if len(flat[0]) <= 8192 else -(-len(flat[0]) // 2048) * 2048
        return [tuple(torch.tensor(f + [fill] * (n - len(f))).view(-1, width)
                      for f, fill in zip(flat, (0, -1)))]

    steps = [data[i:i + BATCH] for i in range(0, len(data), BATCH)]
    rows = [sum(len(ids) - 1 for ids, _ in s) for s in steps]
    made = {}

    def run(layout, kind):
        if (layout, kind) not in made:
            model = Model()
            if kind == "bf16":
                model = model.to(torch.bfloat16)
            opt_ = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95),
                                     weight_decay=0.01, fused=True)
            made[layout, kind] = (model, torch.compile(model), opt_,
                                  [batches(layout, s) for s in steps])
        model, fast, opt_, work = made[layout, kind]
        speeds = []
        for step, n_row in zip(work, rows):
            start = time.monotonic()
            n_target = sum(int((t >= 0).sum()) for _, t in step)
            for ids, targets in step:
                with torch.autocast("cpu", torch.bfloat16, enabled=kind == "amp"):
                    loss = fast(ids, targets, cos, sin) / n_target
                loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt_.step()
            opt_.zero_grad(set_to_none=True)
            speeds.append(n_row / (time.monotonic() - start))
        return statistics.median(speeds[2:])

    print(f"ready {torch.__version__} {sum(rows)}", flush=True)
    for line in sys.stdin:
        layout, kind = line.strip().rsplit(" ", 1)
        try:
            print(f"speed {run(layout, kind):.3f}", flush=True)
        except Exception as e:   # a way that this build cannot go
            print(f"error {type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}",
                  flush=True)


# ----------------------------------------------------------------------- driver

def reply(p):
    if not select.select([p.stdout], [], [], REPLY_S)[0]:
        p.kill()
        sys.exit(f"train_torch: the worker was silent for {REPLY_S} s")
    text = p.stdout.readline()
    if not text:
        sys.exit(f"train_torch: the worker ended with status {p.wait()}")
    return text.strip()


def ask(p, way):
    p.stdin.write(" ".join(way) + "\n")
    p.stdin.flush()
    text = reply(p)
    return (float(text.split()[1]), "") if text.startswith("speed ") else (0.0, text)


def drive(opt, folder):
    write_data(folder)
    # Threads that spin between two calls would slow the other side down.
    env = dict(os.environ, OMP_WAIT_POLICY="passive", KMP_BLOCKTIME="0",
               PYTHONWARNINGS="ignore")
    p = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--worker", "--model",
                          opt.model, "--folder", folder], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True, bufsize=1, env=env)
    try:
        _, version, theirs = reply(p).split()
        ours, tokens = run_ours(opt, folder, "try")
        if int(tokens) != int(theirs):
            sys.exit(f"train_torch: ours reads {tokens:.0f} tokens in these examples, theirs "
                     f"{theirs}")
        say(f"{opt.model}, {theirs} tokens in {STEPS} steps, PyTorch {version}, "
            f"{os.cpu_count()} processors")
        speed = {}
        for way in WAYS:
            ask(p, way)                      # compiles
            speed[way], trouble = ask(p, way)
            say(f"peer {' '.join(way)}: {trouble or f'{speed[way]:.0f} tok/s'}")
        best = max(speed, key=speed.get)
        if not speed[best]:
            sys.exit("train_torch: no way works")
        pairs = []
        for turn in range(opt.rounds):
            if turn % 2:
                b, a = ask(p, best)[0], run_ours(opt, folder, turn)[0]
            else:
                a, b = run_ours(opt, folder, turn)[0], ask(p, best)[0]
            pairs.append((a, b))
            say(f"round {turn + 1}: ours {a:.0f}, PyTorch {b:.0f}, {a / b:.2f}")
    finally:
        p.stdin.close()
        p.terminate()
    say(f"figure train_vs_torch {statistics.median(a / b for a, b in pairs):.6g} ratio")
    say(f"figure ours_train {statistics.median(a for a, _ in pairs):.6g} tok/s")
    say(f"figure torch_train {statistics.median(b for _, b in pairs):.6g} tok/s")
    say(f"    PyTorch {version}, {' '.join(best)}")


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ponder", default="build/ponder")
    p.add_argument("--model", required=True)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    p.add_argument("--folder", help=argparse.SUPPRESS)
    opt = p.parse_args()
    if opt.worker:
        worker(opt)
        return
    folder = tempfile.mkdtemp(prefix="train_torch.")
    try:
        drive(opt, folder)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
