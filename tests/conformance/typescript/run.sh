#!/bin/sh
# Checks the types of the generated client under `strict`, and runs main.ts with node against a node that serves.
#
#   tests/conformance/typescript/run.sh ADDRESS ORGANISATION TOKEN FILE
#
# Exit 0: it did what it should. 77: a tool is missing; with CI=true it is installed instead.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tools=$here/../.venv/typescript
compiler=typescript@5.9.3

missing() {
    echo "缺少 missing: $1" >&2
    echo "请安装 install it with: $2" >&2
    exit 77
}

mkdir -p "$tools"
exec 9>"$tools/.lock"
flock 9

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    install="apt-get install -y --no-install-recommends nodejs npm"
    [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] || missing "node, npm" "$install"
    (DEBIAN_FRONTEND=noninteractive $install || (apt-get update && DEBIAN_FRONTEND=noninteractive $install)) >&2
fi
tsc=$tools/node_modules/.bin/tsc
if [ "$("$tsc" --version 2>/dev/null)" != "Version ${compiler#*@}" ]; then
    install="npm install --no-save --no-package-lock --no-audit --no-fund --prefix $tools $compiler"
    [ "${CI:-}" = true ] || missing "$compiler" "$install"
    $install >&2
fi

out=$tools/out
rm -rf "$out"
mkdir -p "$out"
echo '{"type": "module"}' >"$out/package.json"
"$tsc" --project "$here/tsconfig.json" --outDir "$out" >&2
flock -u 9
node "$out/tests/conformance/typescript/main.js" "$@"
