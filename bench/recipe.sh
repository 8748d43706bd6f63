#!/bin/sh
# What the recipe of ponder-nano teaches, as lines `figure NAME VALUE UNIT` on
# standard output (see bench/recipe.py for what each is).
#
# usage: bench/recipe.sh            after make; about 20 minutes on two quiet cores
#
#   SFT, RL     the models before and after reinforcement (models/ponder-nano*.gguf)
#   LOG         metrics of the run between them (recipes/nano/rl-metrics.jsonl)
#   TORCH=0     leave out the comparison with PyTorch, which downloads 200 MB once
#   TRL=1       also time TRL's trainer (bench/rl_trl.py), which takes an hour
#   PROBLEMS=N  fewer problems a seed, to try the script; no figures to publish
set -eu
cd "$(dirname "$0")/.."

sft=${SFT:-models/ponder-nano-sft.gguf}
rl=${RL:-models/ponder-nano.gguf}
log=${LOG:-recipes/nano/rl-metrics.jsonl}
[ -x "${PONDER:-build/ponder}" ] || { echo "recipe: build/ponder is missing (run make)" >&2; exit 2; }
for f in "$sft" "$rl" "$log"; do
    [ -s "$f" ] || { echo "recipe: $f is missing (make nano makes it)" >&2; exit 2; }
done
lscpu | grep -E '^(Model name|CPU\(s\)|Thread\(s\) per core|L[123]|Hypervisor)' || true
echo "flags of interest: $(grep -m1 '^flags' /proc/cpuinfo | tr ' ' '\n' |
    grep -E '^(avx2|f16c|fma|avx_vnni|avx512f|avx512bw|avx512_(vnni|bf16|fp16)|amx_.*)$' | tr '\n' ' ')"
echo "memory: $(awk '/MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo), load $(cut -d' ' -f1-3 /proc/loadavg)"
sha256sum "$sft" "$rl"

out=${OUT_DIR:-.cache/bench-recipe}
mkdir -p "$out"
n=${PROBLEMS:+--problems $PROBLEMS}
for part in sft:eval-bench:"$sft" rl:eval-bench:"$rl" rl-more:eval-bench-rl:"$rl"; do
    name=${part%%:*} rest=${part#*:}
    echo "== $name: recipes/nano/${rest%%:*}.json, ${rest#*:}"
    # shellcheck disable=SC2086  # $n is two words or none
    "${PONDER:-build/ponder}" eval "recipes/nano/${rest%%:*}.json" --model "${rest#*:}" --output "$out/$name" $n
done
python3 bench/recipe.py --results "$out" --log "$log"
if [ "${TORCH:-1}" != 0 ]; then bench/train_torch.sh; fi
if [ "${TRL:-0}" = 1 ]; then bench/rl_trl.sh; fi
