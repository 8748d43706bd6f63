#!/bin/sh
# Install the Debian packages that building, testing and the demo need and that
# are missing here. Asks nothing; does nothing when all are there.
set -eu
want="gcc make pkg-config libjansson-dev libcurl4-openssl-dev libedit-dev libsodium-dev libutf8proc-dev
libmicrohttpd-dev libsqlite3-dev check
clang libclang-rt-14-dev valgrind libc6-dbg python3 python3-pip python3-venv unzip ca-certificates"
missing=""
for p in $want; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
echo "installing:$missing"
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
