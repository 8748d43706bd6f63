#!/bin/sh
# Run fuzz targets one after the other, with a line each.
# usage: tests/fuzz/run.sh SECONDS BINARY...
#
# A target fuzz_NAME starts from tests/fuzz/seeds/NAME, where there is one, and
# keeps what it finds in build/fuzz/corpus/NAME. The seed is fixed; an input that
# fails is left in build/fuzz/NAME-*, and ends with exit code 1 here. The last
# line counts the targets.
set -u
seconds=$1
shift
passed=0
failed=0
for bin in "$@"; do
    name=$(basename "$bin")
    name=${name#fuzz_}
    corpus=build/fuzz/corpus/$name
    seeds=tests/fuzz/seeds/$name
    log=build/fuzz/$name.log
    mkdir -p "$corpus"
    [ -d "$seeds" ] || seeds=
    # shellcheck disable=SC2086
    if "$bin" -max_total_time="$seconds" -seed=1 -timeout=25 -rss_limit_mb=4096 \
        -artifact_prefix="build/fuzz/$name-" -print_final_stats=1 \
        "$corpus" $seeds >"$log" 2>&1
    then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "fuzz_$name: clean, ${runs:-?} inputs in ${seconds} s"
        passed=$((passed + 1))
    else
        echo "fuzz_$name: FAILED, see $log"
        tail -n 40 "$log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
