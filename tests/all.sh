#!/bin/sh
# Everything `make test` checks, in the order of what it costs: tests, the same
# tests under the address and undefined-behaviour sanitizers, the program under
# valgrind, every fuzz target for a few seconds. The last line sums them up.
# usage: tests/all.sh [FILTER]    with a filter: the first two, that test alone
set -u
filter=${1:-}
make="make --no-print-directory -j$(nproc)"
fuzz_s=${FUZZ_S:-10}
total_passed=0
total_failed=0

# Keep the numbers of a stage's closing line "N passed, M failed".
add() {
    total_passed=$((total_passed + $(sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p' "$1" | tail -n 1)))
    total_failed=$((total_failed + $(sed -n 's/^[0-9]* passed, \([0-9]*\) failed$/\1/p' "$1" | tail -n 1)))
}

# stage NAME COMMAND...: run it, show what it prints, add its closing line up.
stage() {
    name=$1
    shift
    echo "== $name"
    "$@" 2>&1 | tee build/stage.log
    grep -q '^[0-9]* passed, [0-9]* failed$' build/stage.log || echo "0 passed, 1 failed" >build/stage.log
    add build/stage.log
}

mkdir -p build
$make SAN=0 all test-bins || exit 1
stage "tests" tests/run.sh build/san0 "$filter"
$make SAN=1 all test-bins || exit 1
stage "tests under sanitizers" tests/run.sh build/san1 "$filter"
if [ -z "$filter" ]; then
    stage "valgrind" tests/valgrind.sh build/san0/ponder
    $make fuzz-bins || exit 1
    targets=$(for f in tests/fuzz/fuzz_*.c; do echo "build/fuzz/$(basename "$f" .c)"; done)
    # shellcheck disable=SC2086
    stage "fuzzing, $fuzz_s s each" tests/fuzz/run.sh "$fuzz_s" $targets
fi
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" = 0 ] && [ "$total_passed" -gt 0 ]
