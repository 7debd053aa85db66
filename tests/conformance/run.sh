#!/bin/sh
# Verifies the vectors and a folder of evidence with programs that share no code with Yunhe: Go's x/mod (tlog, note)
# and PyPI's pymerkle.
#
#   tests/conformance/run.sh [FOLDER]      (without FOLDER: the committed log in vectors/log)
#
# Exit 0: both verified. 1: refused. 77: a tool is missing; with CI=true it is installed instead.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$here/vectors/log}
venv=$here/.venv
gopath=/usr/share/gocode

missing() {
    echo "缺少 missing: $1" >&2
    echo "请安装 install it with: $2" >&2
    exit 77
}

# Tests run side by side: only one sets up.
mkdir -p "$venv"
exec 9>"$venv/.lock"
flock 9

if ! command -v go >/dev/null || [ ! -d $gopath/src/golang.org/x/mod/sumdb/tlog ]; then
    install="apt-get install -y golang-go golang-golang-x-mod-dev"
    [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] || missing "Go, golang.org/x/mod" "$install"
    (DEBIAN_FRONTEND=noninteractive $install || (apt-get update && DEBIAN_FRONTEND=noninteractive $install)) >&2
fi
if ! "$venv/bin/python" -c 'import pymerkle' 2>/dev/null; then
    install="python3 -m venv $venv && $venv/bin/pip install pymerkle==7.0.0"
    [ "${CI:-}" = true ] || missing "pymerkle" "$install"
    sh -c "$install" >&2
fi

binary=$here/.venv/verify-go
if [ -n "$(find "$here/go" -name '*.go' -newer "$binary" 2>/dev/null)" ] || [ ! -x "$binary" ]; then
    GO111MODULE=off GOPATH=$gopath GOFLAGS= GOCACHE=$here/.venv/go-cache go build -o "$binary.$$" "$here"/go/*.go
    mv "$binary.$$" "$binary"
fi
flock -u 9

"$binary" -vectors "$here/vectors"
"$binary" "$folder"
"$venv/bin/python" "$here/python/verify.py" "$folder"
