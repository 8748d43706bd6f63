#!/bin/sh
# Make ponder-nano from random weights: data, pretraining, fine-tuning,
# reinforcement, evaluation, report. Every stage goes on where it was interrupted.
#
# usage: tools/nano.sh        (make nano builds the program first)
#
# Leaves runs/nano/*/ (checkpoints, metrics, models) and runs/nano/report/; copies
# the two models to models/ when NANO_SHIP=1.
set -eu
cd "$(dirname "$0")/.."

[ -x build/ponder ] || { echo "nano: build/ponder is missing (run make)" >&2; exit 2; }
for stage in 1-pretrain 2-sft 3-sft 4-sft 5-rl; do
    echo "== recipes/nano/$stage.json"
    build/ponder train "recipes/nano/$stage.json"
done
echo "== evaluation"
build/ponder eval recipes/nano/eval.json --model runs/nano/rl/model.gguf --run runs/nano/rl \
    --output runs/nano/report
if [ "${NANO_SHIP:-0}" = 1 ]; then
    mkdir -p models
    cp runs/nano/sft3/model.gguf models/ponder-nano-sft.gguf
    cp runs/nano/rl/model.gguf models/ponder-nano.gguf
    grep -v '"rate"' runs/nano/rl/metrics.jsonl > recipes/nano/rl-metrics.jsonl || true
fi
