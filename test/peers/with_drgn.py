#!/usr/bin/env python3
"""with_drgn.py [--only NAME ...]: does drgn open smelt's output as a dump of that kernel, read its pages as they were, and refuse
those that were dropped? Without debug information, so it needs nothing but drgn."""

import os
import sys
import tempfile

import drgn
from checks import Checks, SmeltFailed, arguments, dumps, run_smelt
from dumpfiles import PAGE, bits

#: Every so many pages one is read; the whole is compared by pages.py.
STEP = 17
CODECS = ('zlib', 'lzo', 'zstd')


def complaints_of(dump, output, path):
    source = dump.source()
    program = drgn.Program()
    program.set_core_dump(path)
    if not program.flags & drgn.ProgramFlags.IS_LINUX_KERNEL:
        return ['drgn does not take it for a kernel dump'], 0
    release = dump.truth['vmcoreinfo']['OSRELEASE'].encode()
    if b'OSRELEASE=' + release not in output.notes:
        return ['VMCOREINFO is not in the notes'], 0
    kept = list(bits(output.bitmap2))
    checked = kept[::STEP]
    wrong = [pfn for pfn in checked if program.read(pfn * PAGE, PAGE, True) != source.page(pfn)]
    dropped = sorted(set(bits(output.bitmap1)) - set(kept))[::STEP]
    readable = [pfn for pfn in dropped if reads(program, pfn)]
    complaints = [f'{len(wrong)} pages differ, the first is {wrong[0]:#x}'] if wrong else []
    complaints += [f'{len(readable)} dropped pages are there, the first is {readable[0]:#x}'] if readable else []
    return complaints, len(checked) + len(dropped)


def reads(program, pfn):
    try:
        program.read(pfn * PAGE, PAGE, True)
    except drgn.FaultError:
        return False
    return True


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for number, dump in enumerate(dumps(options.only)):
        codec = CODECS[number % len(CODECS)]
        name = f'drgn {dump.name} {codec} -d 31'
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, 'dump')
            try:
                _, output = run_smelt(dump.path, path, level=31, codec=codec)
                complaints, pages = complaints_of(dump, output, path)
            except (SmeltFailed, ValueError, drgn.FaultError) as failure:
                checks.fail(name, str(failure))
                continue
            checks.verdict(name, complaints, f'{pages} pages looked at')
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
