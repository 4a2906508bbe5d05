#!/usr/bin/env bash
# The whole test suite without koffi: no native codec, no mmap window. What needs them skips visibly.
# It runs in a copy of the tree, so that nobody who uses this one meanwhile misses anything.
set -eu
cd "$(dirname "$0")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 cp -d --parents -t "$copy"
# Links where they are possible, else a real copy.
cp -al node_modules "$copy/node_modules" 2> /dev/null || { rm -rf "$copy/node_modules"; cp -a node_modules "$copy/node_modules"; }
rm -rf "$copy/node_modules/koffi"
cd "$copy"
if node -e "require.resolve('koffi')" 2> /dev/null; then
  echo 'koffi is found all the same: this would prove nothing' >&2
  exit 1
fi
npm run --silent build
# Scripts for the shell, and what they call, are the same without koffi.
npx vitest run --exclude 'test/integration/**' --exclude 'test/image/fallback.test.ts' --exclude 'test/kdump/**' --exclude 'test/program/distributions.test.ts' "$@"
