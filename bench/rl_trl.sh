#!/bin/sh
# Wall time of reinforcement beside TRL's GRPOTrainer on this machine's processors, as
# lines `figure NAME VALUE UNIT` (see bench/rl_trl.py for what is measured).
#
# usage: bench/rl_trl.sh            after make; MODEL=models/ponder-nano-sft.gguf
#
# Takes up to an hour on two quiet cores, nearly all of it TRL's. The first run puts
# PyTorch, TRL and what they need into .cache/ (3 GB). PYTHON=... uses what is there.
set -eu
cd "$(dirname "$0")/.."

[ -x "${PONDER:-build/ponder}" ] || { echo "rl_trl: build/ponder is missing (run make)" >&2; exit 2; }
python=${PYTHON:-.cache/trl-venv/bin/python}
if [ -z "${PYTHON:-}" ] && [ ! -e .cache/trl-venv/done ]; then
    echo "rl_trl: fetching PyTorch and TRL" >&2
    mkdir -p .cache
    rm -rf .cache/trl-venv
    python3 -m venv .cache/trl-venv
    .cache/trl-venv/bin/pip install -q torch==2.15.0 trl==1.16.0 numpy gguf tokenizers >&2 ||
        { echo "rl_trl: the package registry cannot be reached" >&2; exit 3; }
    touch .cache/trl-venv/done
fi
exec "$python" bench/rl_trl.py --ponder "${PONDER:-build/ponder}" \
    --model "${MODEL:-models/ponder-nano-sft.gguf}" "$@"
