#!/bin/sh
# Training speed beside PyTorch on this machine, as lines `figure NAME VALUE UNIT`
# (see bench/train_torch.py for what is measured).
#
# usage: bench/train_torch.sh       after make; MODEL=models/ponder-nano-sft.gguf ROUNDS=5
#
# The first run puts PyTorch and two small packages into .cache/ (3 GB on disk: the
# registry's wheel brings its GPU libraries along). PYTHON=... uses what is there.
set -eu
cd "$(dirname "$0")/.."

[ -x "${PONDER:-build/ponder}" ] || { echo "train_torch: build/ponder is missing (run make)" >&2; exit 2; }
command -v g++ >/dev/null || { echo "train_torch: g++ is missing (make setup), which torch.compile needs" >&2; exit 2; }
python=${PYTHON:-.cache/torch-venv/bin/python}
if [ -z "${PYTHON:-}" ] && [ ! -e .cache/torch-venv/done ]; then
    echo "train_torch: fetching PyTorch" >&2
    mkdir -p .cache
    rm -rf .cache/torch-venv
    python3 -m venv .cache/torch-venv
    .cache/torch-venv/bin/pip install -q torch==2.15.0 numpy gguf tokenizers >&2 ||
        { echo "train_torch: the package registry cannot be reached" >&2; exit 3; }
    touch .cache/torch-venv/done
fi
exec "$python" bench/train_torch.py --ponder "${PONDER:-build/ponder}" \
    --model "${MODEL:-models/ponder-nano-sft.gguf}" --rounds "${ROUNDS:-5}" "$@"
