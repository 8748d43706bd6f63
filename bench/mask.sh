#!/bin/sh
# Time masks of JSON Schemas over a real vocabulary (bench/mask.c).
# usage: bench/mask.sh [MODEL.gguf]
set -eu
model=${1:-$HOME/.cache/ponder/models/smollm2-135m-instruct.gguf}
if [ ! -f "$model" ]; then
    echo "skipped: $model is not there"
    exit 0
fi
make --no-print-directory build/san0/libponder.a >/dev/null
cc -std=c11 -D_GNU_SOURCE -O2 -Isrc -o build/bench-mask bench/mask.c build/san0/libponder.a -pthread \
    $(pkg-config --libs jansson libcurl libedit libmicrohttpd libsodium libutf8proc sqlite3) -lm
build/bench-mask "$model"
