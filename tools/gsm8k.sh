#!/bin/sh
# Teach SmolLM2-135M-Instruct word problems: adapters by fine-tuning, then by
# reinforcement, both with calculator marks; scores before, between and after.
#
# usage: tools/gsm8k.sh [short] [DATA]
#
# short takes the recipes for a processor (minutes a stage) instead of those for
# the full run. DATA is GSM8K's train.jsonl (default ../shared/data/gsm8k). Leaves
# runs/gsm8k/: links, rows, a folder a stage and the evaluations.
set -eu
cd "$(dirname "$0")/.."

kind=
[ "${1:-}" = short ] && { kind=-short; shift; }
data=${1:-../shared/data/gsm8k/train.jsonl}
[ -x build/ponder ] || { echo "gsm8k: build/ponder is missing (run make)" >&2; exit 2; }
mkdir -p runs/gsm8k
model=$(tools/fetch_smollm2.sh)
ln -sfn "$model" runs/gsm8k/base.gguf
python3 tools/gsm8k_rows.py "$data" runs/gsm8k/data

score() { # MODEL NAME
    build/ponder eval "recipes/gsm8k/eval$kind.json" --model "$1" --output "runs/gsm8k/eval-$2$kind"
}
score runs/gsm8k/base.gguf base
build/ponder train "recipes/gsm8k/sft$kind.json"
score "runs/gsm8k/sft$kind/merged.gguf" sft
build/ponder train "recipes/gsm8k/rl$kind.json"
score "runs/gsm8k/rl$kind/merged.gguf" rl
