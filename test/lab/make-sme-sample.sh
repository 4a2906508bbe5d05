#!/bin/bash
# make-sme-sample.sh: makes samples/x86_64-6.1-sme.{kdump,json} from samples/x86_64-6.1-small.kdump: what the same machine's
# memory would be with SME active (test/build/sme-twin.ts). samples/README.md says what is in it. The same input and the same
# libdeflate give the same bytes.
#
# Needs Node.js with `npm ci` done, libdeflate (zlib level 12), makedumpfile and python3; a minute; no root.
#   env: SMELT_BIN (another smelt)
set -euo pipefail
here=$(dirname "$(realpath "$0")")
samples=$(realpath "$here/../../samples")
smelt=${SMELT_BIN:-$here/../../bin/smelt}
original=x86_64-6.1-small
name=x86_64-6.1-sme
bit=51
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

node "$here/run-ts.js" "$here/sme-twin.ts" "$samples/$original.kdump" "$work/twin.elf" $bit > "$work/twin.json"
# One thread, so that pages lie in the file in their own order; zlib, because every reader has it.
if ! "$smelt" -c --compression-level 12 --codec-maker native --num-threads 1 -d 0 "$work/twin.elf" "$work/$name.kdump" > "$work/smelt" 2>&1; then
  cat "$work/smelt" >&2
  exit 1
fi
python3 "$here/../peers/count.py" "$work/$name.kdump" --same-as "$work/twin.elf" > "$work/counts.json"
python3 - "$work" $original $bit > "$work/$name.json" << 'PYTHON'
import json, pathlib, sys
work, original, bit = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
counts, twin = (json.loads((work / name).read_text()) for name in ('counts.json', 'twin.json'))
json.dump(counts | {'smeTwin': {'of': original, 'bit': bit, **twin}}, sys.stdout, indent=1)
print()
PYTHON
install -m 644 "$work/$name.kdump" "$work/$name.json" "$samples/"
ls -l "$samples/$name".*
