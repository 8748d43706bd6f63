#!/bin/sh
# Show the program at work: ponder-nano, which comes with it, on three problems at
# three efforts, then a real model on a question.
#
# usage: tools/demo.sh [QUESTION]      (make demo builds the program first)
#
# The real model (93 MB) is fetched the first time. Without a network that part is
# left out, aloud, and the demo is no failure. Temperature 0 shows the same text
# every time; the limits only keep a slow machine from never coming back.
set -eu
cd "$(dirname "$0")/.."

question=${1:-Tom has 3 apples and buys 4 more. How many apples does he have now?}
nano=${PONDER_NANO:-nano}
fetch_s=60
limit_s=100

[ -x build/ponder ] || { echo "demo: build/ponder is missing (run make)" >&2; exit 2; }
notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
trap 'exit 130' INT TERM HUP

# One problem at each effort: the answer, and how long was thought about it.
efforts() {
    echo "  $1"
    for effort in low medium high; do
        answer=$(timeout "$limit_s" build/ponder ask --model "$nano" --temperature 0 --fold \
            --effort "$effort" "$1" </dev/null 2>"$notes") || {
            echo "demo: ponder ask did not work:" >&2
            tail -n 3 "$notes" >&2
            exit 1
        }
        tokens=$(sed -n 's/^thought for \([0-9]*\) tokens$/\1/p' "$notes")
        printf '    %-7s %4s tokens of thinking   %s\n' "$effort" "${tokens:-0}" "$answer"
    done
    echo
}

if build/ponder inspect "$nano" >/dev/null 2>&1 || build/ponder models | grep -q '^ponder-nano '; then
    echo "1. ponder-nano, 5.6 MB, which comes with the program and knows these problems alone"
    echo
    first="Start with 15. Add 79, multiply by 3, subtract 37. Keep only the last two digits each time. What is the result?"
    echo "\$ build/ponder ask --model nano \"$first\""
    timeout "$limit_s" build/ponder ask --model "$nano" --temperature 0 "$first" </dev/null 2>&1
    echo
    echo "The same and two others, at three efforts:"
    echo
    efforts "$first"
    efforts "Numbers: 7 4 9 6. Target: 58."
    efforts "Tom has 3 boxes of 4 apples. It is 9 degrees outside. Tom eats 5. How many apples does Tom have now?"
else
    echo "1. models/ponder-nano.gguf is not here (make nano makes it): this part is left out"
    echo
fi

echo "2. a real model, SmolLM2-135M-Instruct"
echo
if model=$(timeout "$fetch_s" tools/fetch_smollm2.sh 2>"$notes"); then
    echo "\$ build/ponder ask --model $model --temperature 0 --budget 256 \"$question\""
    echo
    timeout "$limit_s" build/ponder ask --model "$model" --temperature 0 --budget 256 \
        "$question" </dev/null || {
        rc=$?
        [ "$rc" != 124 ] || echo "demo: stopped after $limit_s s" >&2
        exit "$rc"
    }
else
    echo "not fetched: $(tail -n 1 "$notes" | cut -c 1-200)"
    echo "(this part needs the Python package registry, once; the rest needs nothing)"
fi
