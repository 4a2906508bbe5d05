#!/usr/bin/env python3
"""salvage.py [--only NAME ...]: dumps that were cut short, salvaged by smelt, and split dumps that were joined, seen by others.

libkdumpfile must read every page of what was salvaged as it was, and answer "no data" for those that were lost; drgn must open
it. The parts that makedumpfile --split writes, joined by smelt, must hold what makedumpfile's own whole dump holds; and smelt's
parts joined by makedumpfile what smelt's whole dump holds.
"""

import os
import subprocess
import sys
import tempfile

from kdumpfile.exceptions import KDumpBaseException, NotImplementedException

from checks import SMELT, Checks, SmeltFailed, arguments, dumps, run_smelt
from count import MAKEDUMPFILE
from dumpfiles import BadDump, KdumpFile
from pages import compare_excluded, compare_pages, decode_pages, read_pages
from with_drgn import complaints_of

#: Small ones: each is written, cut and read many times. makedumpfile reads the first two (QEMU's ELF header it refuses).
DUMPS = ('x86_64-6.1-small', 'x86_64-6.1-proc-vmcore-small', 'x86_64-5.10-4level')
FOR_MAKEDUMPFILE = DUMPS[:2]
INCOMPLETE = 0x8
#: Percent of the file that are left.
CUTS = (35, 70, 95)


def command(*words):
    run = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if run.returncode:
        said = (run.stderr.strip() or run.stdout.strip()).replace('\n', ' | ')
        raise SmeltFailed(f'{os.path.basename(str(words[0]))} {words[1]} exits with {run.returncode}: {said[:300]}')


def to_file(path, *words):
    with open(path, 'wb') as file:
        run = subprocess.run([str(word) for word in words], stdout=file, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise SmeltFailed(f'{words[0]} {words[1]} exits with {run.returncode}: {run.stderr.strip()[:300]}')


def cut(source, target, percent):
    """Copies the first so many percent."""
    length = os.path.getsize(source) * percent // 100
    with open(source, 'rb') as whole, open(target, 'wb') as part:
        while length > 0:
            data = whole.read(min(length, 1 << 20))
            part.write(data)
            length -= len(data)


def same_pages(path, dump):
    """Complaints about the pages of a file, and how many there are."""
    output = KdumpFile(path)
    source = dump.source()
    try:
        wrong, _ = compare_pages(path, output, source, read_pages)
    except NotImplementedException:
        wrong, _ = compare_pages(path, output, source, decode_pages)
    return wrong, output


def check_cut(checks, dump, what, whole, scratch):
    """`whole` is a dump in any form; what is saved of its beginnings."""
    for percent in CUTS:
        name = f'salvage {dump.name} {what}, {percent} % of it'
        part, saved = os.path.join(scratch, 'part'), os.path.join(scratch, 'saved')
        try:
            cut(whole, part, percent)
            command(SMELT, 'salvage', '--quiet', '-f', part, saved)
            complaints, output = same_pages(saved, dump)
            complaints += compare_excluded(saved, output)
            if not output.status & INCOMPLETE:
                complaints.append('it does not say that it is incomplete')
            complaints += complaints_of(dump, output, saved)[0]
            if output.kept * 4 * 100 < output.max_mapnr:
                complaints.append(f'only {output.kept} pages were saved')
        # drgn's own errors are plain exceptions.
        except Exception as failure:
            checks.fail(name, f'{type(failure).__name__}: {failure}')
            continue
        checks.verdict(name, complaints, f'{output.kept} pages')


def check_joined(checks, dump, name, split, join, whole, scratch):
    parts = [os.path.join(scratch, f'part{i}') for i in range(3)]
    joined = os.path.join(scratch, 'joined')
    try:
        command(*split, *parts)
        command(*join, parts[1], parts[2], parts[0], joined)
        complaints, output = same_pages(joined, dump)
        expected = KdumpFile(whole)
        if output.bitmap2 != expected.bitmap2:
            complaints.append('it has other pages than the whole dump')
        if output.split or output.status & INCOMPLETE:
            complaints.append(f'split is {output.split}, status {output.status:#x}')
        if output.vmcoreinfo != expected.vmcoreinfo:
            complaints.append('VMCOREINFO differs')
    except (SmeltFailed, BadDump, KDumpBaseException, OSError) as failure:
        checks.fail(name, f'{type(failure).__name__}: {failure}')
        return
    finally:
        for path in [*parts, joined]:
            if os.path.exists(path):
                os.unlink(path)
    checks.verdict(name, complaints, f'{output.kept} pages')


def check_dump(checks, dump, scratch):
    whole = os.path.join(scratch, 'whole')
    for codec in ('zlib', 'zstd', 'raw'):
        run_smelt(dump.path, whole, level=1, codec=codec)
        check_cut(checks, dump, f'smelt {codec}', whole, scratch)
    to_file(whole, SMELT, '-F', '-c', '-d', '1', '--quiet', dump.path)
    check_cut(checks, dump, 'smelt -F', whole, scratch)
    if str(dump.path).endswith('.elf'):
        check_cut(checks, dump, 'ELF', dump.path, scratch)
    if dump.name not in FOR_MAKEDUMPFILE:
        return
    theirs = [MAKEDUMPFILE, '--message-level', '4', '-c', '-d', '1']
    to_file(whole, *theirs, '-F', dump.path)
    check_cut(checks, dump, 'makedumpfile -F', whole, scratch)
    os.unlink(whole)
    command(*theirs, dump.path, whole)
    check_cut(checks, dump, 'makedumpfile', whole, scratch)
    check_joined(
        checks, dump, f'reassemble {dump.name}: makedumpfile splits, smelt joins',
        [*theirs, '--split', dump.path], [SMELT, '--reassemble', '--quiet'], whole, scratch,
    )  # fmt: skip
    run_smelt(dump.path, whole, level=1, codec='zlib')
    check_joined(
        checks, dump, f'reassemble {dump.name}: smelt splits, makedumpfile joins',
        [SMELT, '-c', '-d', '1', '--quiet', '--split', dump.path], [MAKEDUMPFILE, '--message-level', '4', '--reassemble'],
        whole, scratch,
    )  # fmt: skip


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        if dump.name not in DUMPS:
            continue
        with tempfile.TemporaryDirectory() as scratch:
            try:
                check_dump(checks, dump, scratch)
            except (SmeltFailed, BadDump) as failure:
                checks.fail(f'salvage {dump.name}', str(failure))
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
