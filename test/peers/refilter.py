#!/usr/bin/env python3
"""refilter.py [--only NAME ...]: makedumpfile filters smelt's outputs again, and must arrive where the ground truth is.

smelt writes the dump at level 0 and 1, makedumpfile reads that and writes level 31: the pages must be those that it keeps of
the original, and their contents too.

makedumpfile lowers max_mapnr to the end of the kernel's last memory section, and then looks for the second bitmap of its
input where that number says, not where the header says. So it
cannot read any dump that has pages behind the last section: QEMU's firmware ROM. Those pages are cut off for it here, and
the line says so; nothing else of the file changes.
"""

import os
import shutil
import struct
import subprocess
import sys
import tempfile

from checks import Checks, SmeltFailed, arguments, dumps, run_smelt
from count import MAKEDUMPFILE
from dumpfiles import PAGE, BadDump, KdumpFile, count_bits
from truth import compare_bitmaps

#: Kernels that makedumpfile 1.7.2 understands, with the codecs that Debian builds into it.
READABLE = (
    'x86_64-6.1-small', 'x86_64-6.1-sme', 'x86_64-6.1-proc-vmcore-small', 'x86_64-5.10-4level', 'x86_64-6.1-4level',
    'x86_64-6.1-proc-vmcore',
)  # fmt: skip
CASES = [(0, 'zlib'), (1, 'lzo')]
LEVEL = 31


def cut_behind(dump, path, max_mapnr):
    """Takes the page frames from max_mapnr on out of a file: shorter bitmaps, fewer descriptors, data where it was."""
    half = -(-max_mapnr // (8 * PAGE)) * PAGE
    bitmaps = dump.descriptors - len(dump.bitmap1) - len(dump.bitmap2)
    kept = count_bits(dump.bitmap2[:half])
    table = dump.map[dump.descriptors : dump.descriptors + 24 * kept]
    with open(path, 'r+b') as file:
        file.seek(436)
        file.write(struct.pack('<II', 2 * half // PAGE, max_mapnr))
        file.seek(PAGE + 96)
        file.write(struct.pack('<Q', max_mapnr))
        file.seek(bitmaps)
        file.write(dump.bitmap1[:half] + dump.bitmap2[:half] + table)
    return dump.kept - kept


def refiltered(path, out):
    command = [MAKEDUMPFILE, '--message-level', '4', '-l', '-d', str(LEVEL), path, out]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise BadDump('makedumpfile: ' + (run.stderr + run.stdout).strip().replace('\n', ' | ')[:300])
    return KdumpFile(out)


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        if dump.name not in READABLE:
            continue
        source = dump.source()
        for level, codec in CASES:
            name = f'refilter {dump.name} {codec} -d {level}, then makedumpfile -d {LEVEL}'
            with tempfile.TemporaryDirectory() as scratch:
                first = os.path.join(scratch, 'first')
                try:
                    _, whole = run_smelt(dump.path, first, level=level, codec=codec)
                    cut = 0
                    if whole.max_mapnr > dump.truth['maxMapnr']:
                        shutil.copyfile(first, first + '.cut')
                        first += '.cut'
                        cut = cut_behind(whole, first, dump.truth['maxMapnr'])
                    output = refiltered(first, os.path.join(scratch, 'second'))
                    complaints, _ = compare_bitmaps(dump, LEVEL, output, dump.truth['levels'][str(LEVEL)])
                    wrong = [pfn for pfn, *place in output.pages() if output.decode(*place) != source.page(pfn)]
                except (SmeltFailed, BadDump) as failure:
                    checks.fail(name, str(failure))
                    continue
                if wrong:
                    complaints.append(f'{len(wrong)} pages differ from the source, the first is {wrong[0]:#x}')
                note = f', without the {cut} behind the last memory section' if cut else ''
                checks.verdict(name, complaints, f'{output.kept} pages{note}')
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
