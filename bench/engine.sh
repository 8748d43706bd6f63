#!/bin/sh
# Speed and memory of the engine beside llama.cpp on this machine, as lines
# `figure NAME VALUE UNIT` on standard output (see bench/engine.py for what each is).
#
# usage: bench/engine.sh            after make; ROUNDS=5 THREADS=all by default
#
# Both sides get the same files, the same token ids and the same threads; rounds
# alternate and the ratios are medians over rounds. The first run downloads 210 MB
# and compiles llama.cpp for some minutes; both are kept in .cache/ and the model
# cache. Run it on a quiet machine: it waits for quiet moments, and says how busy
# others kept the processors, but cannot make time.
set -eu
cd "$(dirname "$0")/.."

[ -x build/ponder ] || { echo "engine: build/ponder is missing (run make)" >&2; exit 2; }
lscpu | grep -E '^(Model name|CPU\(s\)|Thread\(s\) per core|L[123]|Hypervisor)' || true
echo "flags of interest: $(grep -m1 '^flags' /proc/cpuinfo | tr ' ' '\n' |
    grep -E '^(avx2|f16c|fma|avx_vnni|avx512f|avx512bw|avx512_(vnni|bf16|fp16)|amx_.*)$' | tr '\n' ' ')"
echo "memory: $(awk '/MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo), load $(cut -d' ' -f1-3 /proc/loadavg)"

model=$(tools/fetch_smollm2.sh)
mkdir -p .cache/models
for type in Q8_0 Q4_0; do
    out=.cache/models/smollm2-135m-$(echo $type | tr QK qk).gguf
    # The temporary name ends in .gguf, which is what tells the converter the format.
    if [ ! -s "$out" ]; then
        build/ponder convert "$model" "$out.part.gguf" --type $type >&2
        mv "$out.part.gguf" "$out"
    fi
done
peer=$(bench/peer_llamacpp.sh)
exec python3 bench/engine.py --peer "$peer" --models .cache/models --ask-model "$model" \
    --rounds "${ROUNDS:-5}" --threads "${THREADS:-$(nproc)}"
