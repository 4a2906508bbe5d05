#!/usr/bin/env python3
"""sme.py [--only NAME ...]: do smelt and its peers see in a dump of encrypted memory what they see in the same dump without?

There is no hardware here that encrypts memory. Each dump becomes its SME twin (test/build/sme-twin.ts), a stand-in: the
encryption bit in its page tables, noise in some shared pages. smelt must choose and count the pages of the original's ground truth;
makedumpfile must choose them too; and libkdumpfile and drgn, which walk page tables by themselves, must find behind kernel addresses
what smelt's own walk finds.
"""

import base64
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import zlib

import drgn
import kdumpfile
from kdumpfile.exceptions import KDumpBaseException, NoDataException

from checks import LEVELS, NEWER_MAKEDUMPFILE, PROJECT, Checks, SmeltFailed, arguments, as_number, dumps, run_smelt
from count import MAKEDUMPFILE
from dumpfiles import PAGE, ZERO_PAGE, BadDump, KdumpFile, runs
from refilter import READABLE
from truth import compare_bitmaps, compare_counts, pages_of

BITS = (51, 47)
#: Every so many of the small pages in vmalloc, vmemmap and the kernel image one is asked for.
WALK_STEP = 29


def run_ts(script, *words):
    command = ['node', str(PROJECT / 'test/lab/run-ts.js'), str(PROJECT / 'test/lab' / script), *map(str, words)]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise BadDump(f'{script}: {run.stderr.strip()[:300]}')
    return json.loads(run.stdout)


def truth_of_twin(level, truth, shared_zeros):
    """The same, but that a page of zeros is none any more when it is shared: what is read of it is noise."""
    if not level & 1:
        return truth
    kept = as_number(zlib.decompress(base64.b64decode(truth['bitmap2ZlibBase64'])))
    noise = sum(kept >> pfn & 1 for pfn in shared_zeros)
    return truth | {'pages': truth['pages'] | {'zero': truth['pages']['zero'] - noise}}


def check_choice(checks, name, dump, twin, level, shared_zeros, source, out):
    """Returns the output."""
    try:
        report, output = run_smelt(twin, out, level=level)
    except SmeltFailed as failure:
        checks.fail(name, str(failure))
        return None
    truth = truth_of_twin(level, dump.truth['levels'][str(level)], shared_zeros)
    complaints, known = compare_bitmaps(dump, level, output, truth)
    if report:
        complaints += compare_counts(level, report, output, truth, known, source)
    checks.verdict(name, complaints, f'{output.kept} pages kept, as of the original')
    return output


def kept_by(program, vmcore, scratch):
    out = os.path.join(scratch, 'peer')
    run = subprocess.run([program, '--message-level', '4', '-l', '-f', '-d', '31', vmcore, out], capture_output=True, text=True)
    if run.returncode:
        raise BadDump('makedumpfile: ' + (run.stderr + run.stdout).strip().replace('\n', ' | ')[:300])
    return as_number(KdumpFile(out).bitmap2)


def check_makedumpfile(checks, name, dump, twin, scratch):
    if dump.name in READABLE:
        theirs = kept_by(MAKEDUMPFILE, twin, scratch)
        expected = as_number(zlib.decompress(base64.b64decode(dump.truth['levels']['31']['bitmap2ZlibBase64'])))
    elif NEWER_MAKEDUMPFILE.exists():
        # Not the program that made the ground truth, and it may know the kernel in parts only: held against itself.
        theirs = kept_by(NEWER_MAKEDUMPFILE, twin, scratch)
        normal = os.path.join(scratch, 'normal')
        subprocess.run([sys.executable, PROJECT / 'test/lab/elf-normalize.py', dump.path, normal], check=True)
        expected = kept_by(NEWER_MAKEDUMPFILE, normal, scratch)
    else:
        print(f'note {name}: there is no makedumpfile here that knows this kernel', flush=True)
        return
    different = list(runs(pages_of(theirs ^ expected)))
    complaints = [f'{len(different)} runs of pages differ, the first at {different[0][0]:#x}'] if different else []
    checks.verdict(name, complaints, f'{theirs.bit_count()} pages kept, as of the original')


def check_walks(checks, name, path, walks, read):
    """`read` takes (address, whether it is a physical one) and returns a page, or None for one that was dropped."""
    compared, complaints = 0, []
    for walk in walks:
        vaddr, paddr = int(walk['vaddr'], 16), walk['paddr']
        expected = read(paddr, True)
        if expected is None or expected == ZERO_PAGE:
            continue
        compared += 1
        if read(vaddr, False) != expected:
            complaints.append(f'{vaddr:#x} is not what is at {paddr:#x}')
    if not compared:
        complaints = ['nothing could be compared']
    checks.verdict(name, complaints[:3], f'{compared} addresses lead where smelt says')


def libkdumpfile_reader(path):
    reader = kdumpfile.kdumpfile(path)
    reader.attr['addrxlat.ostype'] = 'linux'

    def read(address, physical):
        space = kdumpfile.KDUMP_MACHPHYSADDR if physical else kdumpfile.KDUMP_KVADDR
        with contextlib.suppress(NoDataException):
            return bytes(reader.read(space, address, PAGE))
        return None

    return read


def drgn_reader(path):
    program = drgn.Program()
    program.set_core_dump(path)

    def read(address, physical):
        with contextlib.suppress(drgn.FaultError):
            return program.read(address, PAGE, physical)
        return None

    return read


def check_dump(checks, dump, bit, scratch):
    twin, out = (os.path.join(scratch, name) for name in ('twin', 'out'))
    name = f'sme {dump.name}, bit {bit}'
    made = run_ts('sme-twin.ts', dump.path, twin, bit)
    source = dump.source()
    shared = [run['pfn'] + i for run in made['shared'] for i in range(run['count'])]
    zeros = [pfn for pfn in shared if source.page(pfn) == ZERO_PAGE]
    for level in LEVELS:
        output = check_choice(checks, f'{name}: smelt -d {level}', dump, twin, level, zeros, source, out)
    check_makedumpfile(checks, f'{name}: makedumpfile -d 31', dump, twin, scratch)
    if output is None:
        return
    walks = run_ts('walk.ts', twin, WALK_STEP)
    for peer, reader in (('libkdumpfile', libkdumpfile_reader), ('drgn', drgn_reader)):
        try:
            check_walks(checks, f'{name}: {peer}', out, walks, reader(out))
        except (KDumpBaseException, ValueError) as failure:
            checks.fail(f'{name}: {peer}', f'{type(failure).__name__}: {failure}')


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    plain = (dump for dump in dumps(options.only) if dump.truth['vmcoreinfo'].get('NUMBER(sme_mask)', '0') == '0')
    for number, dump in enumerate(plain):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                check_dump(checks, dump, BITS[number % 2], scratch)
            except BadDump as failure:
                checks.fail(f'sme {dump.name}', str(failure))
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
