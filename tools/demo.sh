#!/bin/sh
# Ask a real model one question and show how it thinks and what it answers.
#
# usage: tools/demo.sh [QUESTION]      (make demo builds the program first)
#
# The first run downloads 93 MB. Small as it is, the model answers in seconds on
# two cores; the limits below only keep a slow machine from never coming back.
set -eu
cd "$(dirname "$0")/.."

question=${1:-A train covers 60 km in 45 minutes. What is its speed in km per hour?}
budget=256        # thinking tokens
limit_s=120

[ -x build/ponder ] || { echo "demo: build/ponder is missing (run make)" >&2; exit 2; }
model=$(tools/fetch_smollm2.sh)

echo "\$ build/ponder ask --model $model --budget $budget \"$question\""
echo
rc=0
timeout "$limit_s" build/ponder ask --model "$model" --budget "$budget" "$question" || rc=$?
[ "$rc" != 124 ] || echo "demo: stopped after $limit_s s" >&2
exit "$rc"
