#!/bin/sh
# Run every test program under OUT whose name holds the filter, as many at once
# as there are processors; print one closing line and fail when any failed.
# usage: tests/run.sh OUT [FILTER]
set -u
out=$1
filter=${2:-}
export PONDER_BIN="$out/ponder"      # what the tests of cli/ run
logs=$(mktemp -d)
trap 'rm -r "$logs"' EXIT
passed=0
failed=0
bins=$(find "$out/tests" -type f -name 'test_*' -perm -u+x | sort | grep -F -e "$filter")
# Each leaves a log and its exit code; they are told in order afterwards.
printf '%s\n' "$bins" | xargs -P "$(nproc)" -I{} sh -c '
    log=$1/$(printf %s "$2" | tr / _)
    "$2" >"$log" 2>&1
    echo $? >"$log.code"' sh "$logs" {}
for bin in $bins; do
    log=$logs/$(printf %s "$bin" | tr / _)
    code=$(cat "$log.code")
    # Check closes with "100%: Checks: 7, Failures: 0, Errors: 0".
    line=$(grep -E 'Checks: [0-9]+' "$log" | tail -n 1)
    checks=$(printf '%s' "$line" | sed -n 's/.*Checks: \([0-9]*\).*/\1/p')
    bad=$(printf '%s' "$line" | sed -n 's/.*Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2/p' | awk '{print $1+$2}')
    [ -n "$checks" ] || { checks=1; bad=1; }
    [ "$code" = 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + checks - bad))
    failed=$((failed + bad))
    printf '%-44s %s\n' "${bin#"$out"/tests/}" "${line:-exit $code}"
    grep -E '^skipped:' "$log" || true
    [ "$bad" = 0 ] || cat "$log"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
