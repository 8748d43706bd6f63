#!/bin/sh
# The program under valgrind: no invalid access, no leak. Valgrind knows no
# AVX-512, so this also runs the AVX2 kernels inside the whole program.
# usage: tests/valgrind.sh PONDER
set -u
ponder=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0
failed=0

# check WANTED-EXIT-CODE NAME ARGUMENTS...
check() {
    want=$1
    name=$2
    shift 2
    valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,possible \
        "$ponder" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    code=$?
    if [ "$code" = "$want" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "valgrind: $name: exit $code, expected $want"
        tail -n 20 "$dir/err"
    fi
}

model=tests/fixtures/model
check 0 "ask" ask --model $model/qwen3 --budget 20 --max-tokens 40 --seed 1 "What is 2 + 2?"
check 0 "ask, sparse experts, samples" ask --model $model/qwen3moe --samples 3 --budget 8 \
    --max-tokens 16 --seed 1 --json "hi"
check 0 "inspect" inspect $model/llama3 --json
check 0 "convert" convert $model/smollm3 "$dir/m.gguf" --type Q8_0
check 0 "ask, quantised" ask --model "$dir/m.gguf" --max-tokens 8 --effort none "hi"
head -c 1000 "$dir/m.gguf" >"$dir/cut.gguf"
check 1 "a file cut short" inspect "$dir/cut.gguf"
check 2 "a bad option" ask --budget -5 "hi"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
