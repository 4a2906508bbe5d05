#!/usr/bin/env bash
# The tests of all that uses native code, without koffi: no native codec, no mmap window. What needs them skips visibly.
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
# Without koffi other code reads, compresses and writes: the formats, the codecs, the workers and the whole program are tried again.
# What works out what has been read, or says it, is the same code, and was tried by `npm test`; so were scripts for the shell.
the_same=(
  'test/layers.test.ts' 'test/struct.test.ts' 'test/build/**'
  'test/arch/**' 'test/kernel/**' 'test/filter/**' 'test/sme/**' 'test/luks/**' 'test/salvage/**' 'test/bench/**' 'test/cli/**'
  'test/read/debug/**' 'test/read/sort-steps.test.ts' 'test/inspect/**' 'test/json/**' 'test/browser/**'
  'test/program/distributions.test.ts' 'test/program/generate.test.ts' 'test/program/as-makedumpfile.test.ts' 'test/program/names.test.ts' 'test/program/looks-on-inputs.test.ts' 'test/program/cut-dumps.test.ts'
  'test/integration/**' 'test/image/**' 'test/kdump/**'
)
npx vitest run "${the_same[@]/#/--exclude=}" "$@"
