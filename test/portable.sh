#!/usr/bin/env bash
# The whole test suite without koffi: no native codec, no mmap window. What needs them skips visibly.
set -eu
cd "$(dirname "$0")/.."
here=node_modules/koffi
away=node_modules/.koffi-away
[ -d "$here" ] || { echo "koffi is not installed: the suite is portable already"; exec npx vitest run "$@"; }
mv "$here" "$away"
trap 'mv "$away" "$here"' EXIT
npx vitest run "$@"
