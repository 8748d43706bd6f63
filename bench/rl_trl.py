#!/usr/bin/env python3
"""Reinforcement by us and by TRL's GRPOTrainer: wall time to the same reward
(bench/rl_trl.sh calls this).

The same model (ponder-nano after fine-tuning), the same rows (five boxes and five or
six swaps, from the training split), the same reward (the exact answer after a closed
thought), the same algorithm: 32 prompts x 8 answers a step, temperature 1, r - mean,
constant normaliser, no KL, one update, AdamW (0.9, 0.95), rate 2e-4, clip 1, thoughts
and answers of at most 192 tokens. TRL generates with transformers, its only way on a
processor; it is first timed for two steps in f32 and in bf16 (autocast) and runs in the
faster.

Time runs from the first step (models are loaded, PyTorch imported) to the end of the
step at which the mean reward of the last five steps reaches the target. Where TRL does
not reach it within --limit minutes, what it took until then is a lower bound, and says
so.

  rl_vs_trl            TRL's wall time / ours
  ours_rl_s, trl_rl_s  the times behind it
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import train_torch  # noqa: E402

GROUPS, SIZE, LENGTH, RATE, WINDOW = 32, 8, 192, 2e-4, 5


def say(text):
    print(text, flush=True)


def reached(rewards, target):
    """After how many steps the mean of a window is there, or None."""
    for i in range(WINDOW, len(rewards) + 1):
        if sum(rewards[i - WINDOW:i]) / WINDOW >= target:
            return i
    return None


# ------------------------------------------------------------------------- ours

def ours(opt, folder, rows):
    out = os.path.join(folder, "run")
    job = {"model": opt.model, "training_file": rows, "seed": 1,
           "method": {"type": "reinforcement", "reinforcement": {"grader": {
               "type": "string_check", "name": "answer", "operation": "eq",
               "input": "{{sample.output_text}}", "reference": "{{item.answer}}"}}},
           "ponder": {"output": out, "context": 512, "max_rows": 8192, "steps": opt.steps,
                      "learning_rate": RATE, "schedule": "constant", "warmup": 0,
                      "optimizer": {"beta2": 0.95, "weight_decay": 0, "clip": 1},
                      "checkpoint_every": 1000,
                      "rl": {"groups": GROUPS, "group_size": SIZE, "max_think": LENGTH - 16,
                             "max_answer": 15}}}
    path = os.path.join(folder, "job.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(job, f)
    p = subprocess.run([opt.ponder, "train", path], stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True)
    if p.returncode:
        sys.exit(f"rl_trl: ponder train: {p.stderr.strip().splitlines()[-1]}")
    with open(os.path.join(out, "metrics.jsonl"), encoding="utf-8") as f:
        found = [json.loads(line) for line in f]
    found = [r for r in found if "reward" in r]
    return ([r["reward"] for r in found],
            [r["sample_s"] + r["train_s"] for r in found])


# -------------------------------------------------------------------------- TRL

def tensors(path):
    from gguf import GGUFReader
    from gguf.quants import dequantize
    return {t.name: dequantize(t.data, t.tensor_type) for t in GGUFReader(path).tensors}


def hf_model(path, shape):
    """The weights in transformers' class for the architecture; layers without position
    encoding have none there either."""
    import torch
    import transformers
    from transformers.models.qwen3 import modeling_qwen3
    if not all(shape["no_rope"]):
        sys.exit("rl_trl: made for a model without position encoding")
    modeling_qwen3.apply_rotary_pos_emb = lambda q, k, *_, **__: (q, k)
    config = transformers.Qwen3Config(
        vocab_size=len(shape["tokens"]), hidden_size=shape["d"], intermediate_size=shape["ff"],
        num_hidden_layers=shape["layers"], num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv"], head_dim=shape["dh"], max_position_embeddings=1024,
        tie_word_embeddings=shape["tied"], rms_norm_eps=shape["eps"])
    model = transformers.Qwen3ForCausalLM(config)
    names = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
             "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
             "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}
    state = {}
    for name, x in tensors(path).items():
        part = name.split(".")
        if part[0] == "blk":
            to = f"model.layers.{part[1]}.{names[part[2]]}.weight"
        else:
            to = {"token_embd": "model.embed_tokens", "output_norm": "model.norm",
                  "output": "lm_head"}[part[0]] + ".weight"
        state[to] = torch.tensor(x, dtype=torch.float32)
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or [m for m in missing if not (m == "lm_head.weight" and shape["tied"])]:
        sys.exit(f"rl_trl: weights do not fit: {missing} {unexpected}")
    model.tie_weights()
    return model


def read_shape(path):
    from gguf import GGUFReader
    r = GGUFReader(path)
    shape = train_torch.read_shape(path)
    arch = r.fields["general.architecture"].contents()
    if arch != "qwen3":
        sys.exit(f"rl_trl: made for the qwen3 architecture, {path} is {arch}")
    shape["eps"] = float(r.fields[f"{arch}.attention.layer_norm_rms_epsilon"].contents())
    return shape


def trl_run(opt, rows, steps, bf16, target, limit_s):
    """Rewards and seconds, step by step, until the target or a limit."""
    import torch
    import transformers
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    torch.manual_seed(1)
    shape = read_shape(opt.model)
    model = hf_model(opt.model, shape)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=train_torch.encoder(shape), eos_token="<|end|>", pad_token="<|pad|>",
        padding_side="left")
    close = tokenizer.convert_tokens_to_ids("</think>")
    end = tokenizer.eos_token_id
    model.generation_config.eos_token_id = end
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    with open(rows, encoding="utf-8") as f:
        data = [json.loads(line) for line in f]
    data = Dataset.from_list([{
        "prompt": f"<|user|>{r['messages'][0]['content']}<|end|><|assistant|><|medium|><think>",
        "answer": r["answer"]} for r in data])

    def reward(completion_ids, answer, **_):
        out = []
        for ids, want in zip(completion_ids, answer):
            ids = list(ids)
            whole = end in ids and close in ids[:ids.index(end)]
            text = tokenizer.decode(ids[ids.index(close) + 1:ids.index(end)]) if whole else ""
            out.append(1.0 if whole and text == want else 0.0)
        return out

    rewards, seconds = [], []

    class Watch(transformers.TrainerCallback):
        def on_train_begin(self, *_, **__):
            self.last = self.first = time.monotonic()

        def on_log(self, args, state, control, logs=None, **_):
            if "reward" not in (logs or {}):
                return
            now = time.monotonic()
            rewards.append(float(logs["reward"]))
            seconds.append(now - self.last)
            self.last = now
            say(f"TRL step {len(rewards)}: reward {rewards[-1]:.3f}, {seconds[-1]:.1f} s")
            if reached(rewards, target) or now - self.first > limit_s:
                control.should_training_stop = True

    config = GRPOConfig(
        output_dir=tempfile.mkdtemp(prefix="trl."), use_cpu=True, bf16=bf16, report_to=[],
        save_strategy="no", logging_steps=1, max_steps=steps, seed=1, disable_tqdm=True,
        per_device_train_batch_size=64, gradient_accumulation_steps=GROUPS * SIZE // 64,
        num_generations=SIZE, max_completion_length=LENGTH, temperature=1.0, beta=0.0,
        loss_type="dr_grpo", scale_rewards="none", learning_rate=RATE,
        lr_scheduler_type="constant", adam_beta1=0.9, adam_beta2=0.95, weight_decay=0.0,
        max_grad_norm=1.0, gradient_checkpointing=False)
    trainer = GRPOTrainer(model=model, reward_funcs=reward, args=config, train_dataset=data,
                          processing_class=tokenizer, callbacks=[Watch()])
    trainer.train()
    shutil.rmtree(config.output_dir, ignore_errors=True)
    return rewards, seconds


# ----------------------------------------------------------------------- driver

def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ponder", default="build/ponder")
    p.add_argument("--model", required=True)
    p.add_argument("--target", type=float, default=0.65, help="mean reward of five steps")
    p.add_argument("--steps", type=int, default=60)
    p.add_argument("--limit", type=float, default=60, help="minutes for TRL")
    opt = p.parse_args()
    folder = tempfile.mkdtemp(prefix="rl_trl.")
    rows = os.path.join(folder, "rows.jsonl")
    try:
        subprocess.run([opt.ponder, "eval", "--task", "perm", "--depth", "5,6", "--problems",
                        "4096", "--seeds", "1", "--split", "train", "--rows", rows], check=True)
        rewards, seconds = ours(opt, folder, rows)
        n = reached(rewards, opt.target)
        if not n:
            sys.exit(f"rl_trl: our reward ended at {sum(rewards[-WINDOW:]) / WINDOW:.3f}, below "
                     f"the target")
        ours_s = sum(seconds[:n])
        say(f"ours: reward {rewards[0]:.3f} at first, {opt.target} after {n} steps, {ours_s:.1f} s")
        speed = {}
        for bf16 in (False, True):
            speed[bf16] = trl_run(opt, rows, 2, bf16, 2.0, 1e9)[1][-1]
            say(f"TRL in {'bf16' if bf16 else 'f32'}: {speed[bf16]:.1f} s a step")
        best = min(speed, key=speed.get)
        rewards, seconds = trl_run(opt, rows, 4 * opt.steps, best, opt.target, 60 * opt.limit)
    finally:
        shutil.rmtree(folder)
    n = reached(rewards, opt.target)
    trl_s = sum(seconds[:n] if n else seconds)
    say(f"figure rl_vs_trl {trl_s / ours_s:.6g} ratio")
    say(f"figure ours_rl_s {ours_s:.6g} s")
    say(f"figure trl_rl_s {trl_s:.6g} s")
    say(f"    TRL in {'bf16' if best else 'f32'}, reward {rewards[0]:.3f} at first, "
        + (f"{opt.target} after {n} steps" if n else
           f"{sum(rewards[-WINDOW:]) / len(rewards[-WINDOW:]):.3f} when its time was over: a "
           f"lower bound"))


if __name__ == "__main__":
    main()
