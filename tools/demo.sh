#!/bin/sh
# Ask a real model one question and show how it thinks and what it answers.
#
# usage: tools/demo.sh [QUESTION]      (make demo builds the program first)
#
# The first run downloads 93 MB. Small as it is, the model answers in seconds on
# two cores; the limits below only keep a slow machine from never coming back.
set -eu
cd "$(dirname "$0")/.."

question=${1:-Tom has 3 apples and buys 4 more. How many apples does he have now?}
limit_s=120

[ -x build/ponder ] || { echo "demo: build/ponder is missing (run make)" >&2; exit 2; }
model=$(tools/fetch_smollm2.sh)

# Temperature 0 shows the same text every time. Thinking goes to standard error.
echo "\$ build/ponder ask --model $model --temperature 0 --budget 256 \"$question\""
echo
rc=0
timeout "$limit_s" build/ponder ask --model "$model" --temperature 0 --budget 256 "$question" </dev/null || rc=$?
[ "$rc" != 124 ] || echo "demo: stopped after $limit_s s" >&2
exit "$rc"
