#!/usr/bin/env python3
"""GSM8K's training questions as rows for `ponder train` and `ponder eval`.

    tools/gsm8k_rows.py [DATA [OUT]]

DATA is the data set's train.jsonl (default ../shared/data/gsm8k/train.jsonl),
OUT a folder (default runs/gsm8k/data) that gets four files:

    sft-train.jsonl  sft-valid.jsonl    messages, the solution with its
                                        calculator marks as reasoning_content
    rl-train.jsonl   rl-valid.jsonl     the question, and "answer" for a grader

A question is held out for validation when the SHA-256 of its text, read as a
number, is a multiple of ten, so the parts stay the same whatever else changes.
The data set's test split is not touched. Only the standard library is used.
"""
import hashlib
import json
import pathlib
import sys

HELD_OUT = 10


def rows(path):
    for number, line in enumerate(path.open(encoding="utf-8"), 1):
        row = json.loads(line)
        solution, mark, answer = row["answer"].rpartition("\n####")
        answer = answer.strip().replace(",", "")
        if not mark or not answer.lstrip("-").replace(".", "", 1).isdigit():
            sys.exit(f"{path}:{number}: no number behind ####")
        yield row["question"].strip(), solution.strip(), answer


def main():
    data = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/gsm8k/train.jsonl")
    out = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "runs/gsm8k/data")
    if not data.is_file():
        sys.exit(f"{data}: no such file (GSM8K's train.jsonl)")
    out.mkdir(parents=True, exist_ok=True)
    parts = {"train": ([], []), "valid": ([], [])}
    for question, solution, answer in rows(data):
        number = int.from_bytes(hashlib.sha256(question.encode()).digest(), "big")
        sft, rl = parts["train" if number % HELD_OUT else "valid"]
        user = {"role": "user", "content": question}
        reply = {"role": "assistant", "reasoning_content": solution, "content": answer}
        sft.append({"messages": [user, reply]})
        rl.append({"messages": [user], "answer": answer})
    for name, lists in parts.items():
        for kind, items in zip(("sft", "rl"), lists):
            path = out / f"{kind}-{name}.jsonl"
            with path.open("w", encoding="utf-8") as f:
                for item in items:
                    f.write(json.dumps(item, ensure_ascii=False) + "\n")
            print(f"{path}: {len(items)} rows")


if __name__ == "__main__":
    main()
