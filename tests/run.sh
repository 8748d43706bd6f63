#!/bin/sh
# Run every test program under OUT whose name holds the filter; print one
# closing line and fail when any of them failed.
# usage: tests/run.sh OUT [FILTER]
set -u
out=$1
filter=${2:-}
export PONDER_BIN="$out/ponder"      # what the tests of cli/ run
passed=0
failed=0
for bin in $(find "$out/tests" -type f -name 'test_*' -perm -u+x | sort); do
    case "$bin" in *"$filter"*) ;; *) continue ;; esac
    log=$("$bin" 2>&1)
    code=$?
    # Check closes with "100%: Checks: 7, Failures: 0, Errors: 0".
    line=$(printf '%s\n' "$log" | grep -E 'Checks: [0-9]+' | tail -n 1)
    checks=$(printf '%s' "$line" | sed -n 's/.*Checks: \([0-9]*\).*/\1/p')
    bad=$(printf '%s' "$line" | sed -n 's/.*Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2/p' | awk '{print $1+$2}')
    [ -n "$checks" ] || { checks=1; bad=1; }
    [ "$code" = 0 ] || [ "$bad" -gt 0 ] || bad=1
    passed=$((passed + checks - bad))
    failed=$((failed + bad))
    printf '%-44s %s\n' "${bin#"$out"/tests/}" "${line:-exit $code}"
    printf '%s\n' "$log" | grep -E '^skipped:' || true
    [ "$bad" = 0 ] || printf '%s\n' "$log"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
