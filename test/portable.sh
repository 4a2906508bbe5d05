#!/usr/bin/env bash
# The whole test suite without koffi: no native codec, no mmap window. What needs them skips visibly.
# It runs in a copy of the tree, so that nobody who uses this one meanwhile misses anything.
set -eu
cd "$(dirname "$0")/.."
copy=$(pwd)/.test-results/portable
rm -rf "$copy" && mkdir -p "$copy"
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$copy"
cp -al node_modules "$copy/node_modules"
rm -rf "$copy/node_modules/koffi"
cd "$copy"
npm run --silent build
npx vitest run "$@"
