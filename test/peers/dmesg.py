#!/usr/bin/env python3
"""dmesg.py [--only NAME ...]: does smelt write the kernel log that makedumpfile writes, of each dump and of what smelt makes of it?

And with --partial-dmesg, of copies whose clear_seq says that half of the log was cleared: in no dump at hand it was.

Byte for byte, by Debian sid's makedumpfile where bench/get-makedumpfile.sh has fetched it. The system's (1.7.2) does not tell who
printed a message: then that is taken out of what smelt writes.
"""

import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

from checks import NEWER_MAKEDUMPFILE, PROJECT, SMELT, Checks, SmeltFailed, arguments, dumps, run_smelt
from count import MAKEDUMPFILE
from dumpfiles import BadDump, ElfDump

CALLER = re.compile(rb'^(\[ *\d+\.\d+\]) \[ *[CT]\d+\]', re.MULTILINE)
LINE = re.compile(rb'^\[ *\d', re.MULTILINE)
LATCHED = b'SIZE(latched_seq)='
#: As wide as what CALLER takes out of the lines that are not indented.
INDENT = re.compile(rb'^ {11}(?= {15})', re.MULTILINE)


def peer_log(path, scratch, *options):
    """What makedumpfile writes, and what smelt has to write for it."""
    knows_callers = NEWER_MAKEDUMPFILE.exists()
    program = str(NEWER_MAKEDUMPFILE) if knows_callers else MAKEDUMPFILE
    if path.suffix == '.elf':
        # It cannot read QEMU's ELF files as they are.
        normal = os.path.join(scratch, 'normal')
        subprocess.run([sys.executable, PROJECT / 'test/lab/elf-normalize.py', path, normal], check=True)
        path = normal
    out = os.path.join(scratch, 'peer')
    run = subprocess.run([program, '--message-level', '4', '--dump-dmesg', *options, '-f', path, out], capture_output=True, text=True, timeout=60)
    if run.returncode:
        raise BadDump('makedumpfile: ' + (run.stderr + run.stdout).strip().replace('\n', ' | ')[:300])
    return read(out), knows_callers


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def smelt_log(path, out, *options):
    run = subprocess.run([SMELT, '--dump-dmesg', *options, '-f', str(path), out], capture_output=True, text=True)
    if run.returncode:
        raise SmeltFailed(f'--dump-dmesg {path} exits with {run.returncode}: {run.stderr.strip()[:300]}')
    return read(out)


def shown_log(path):
    """What `smelt dmesg` writes to a pipe."""
    run = subprocess.run([SMELT, 'dmesg', str(path)], capture_output=True)
    if run.returncode:
        raise SmeltFailed(f'dmesg {path} exits with {run.returncode}: {run.stderr.decode().strip()[:300]}')
    return run.stdout


def compare(checks, name, ours, theirs, knows_callers):
    if not knows_callers:
        ours = INDENT.sub(b'', CALLER.sub(rb'\1', ours))
    pairs = zip(ours.split(b'\n'), theirs.split(b'\n'))
    complaints = []
    if ours != theirs:
        where = next((i for i, (one, other) in enumerate(pairs, 1) if one != other), 'the end')
        complaints = [f'{len(ours)} bytes against {len(theirs)}, and they differ from line {where} on']
    elif not ours:
        complaints = ['both are empty']
    checks.verdict(name, complaints, f'{len(ours)} bytes are the same')


def check_dump(checks, dump, scratch):
    theirs, knows_callers = peer_log(dump.path, scratch)
    out = os.path.join(scratch, 'ours')
    compare(checks, f'dmesg {dump.name}', smelt_log(dump.path, out), theirs, knows_callers)
    compare(checks, f'dmesg {dump.name}, smelt dmesg', shown_log(dump.path), theirs, knows_callers)
    filtered = os.path.join(scratch, 'filtered')
    run_smelt(dump.path, filtered, level=31, codec='zlib')
    compare(checks, f'dmesg {dump.name} -d 31', smelt_log(filtered, out), theirs, knows_callers)


def cleared_copy(dump, target, seq):
    """The dump with another clear_seq, found by smelt's own walk."""
    symbol = int(re.search(rb'SYMBOL\(clear_seq\)=([0-9a-f]+)', ElfDump(dump.path).notes)[1], 16)
    run = subprocess.run([SMELT, '--json', '--quiet', '--dry-run', '--vtop', hex(symbol), str(dump.path)], capture_output=True, text=True)
    if run.returncode:
        raise SmeltFailed(f'--vtop {symbol:#x} {dump.path}: {run.stderr.strip()[:300]}')
    paddr = json.loads(run.stdout)['report']['vtop']['paddr']
    subprocess.run(['cp', '--sparse=always', '--reflink=auto', dump.path, target], check=True)
    os.chmod(target, 0o600)
    segments = [(start, offset) for start, _, filesz, offset in ElfDump(dump.path).segments if start <= paddr < start + filesz]
    with open(target, 'r+b') as file:
        for start, offset in segments:
            file.seek(offset + paddr - start)
            (latch,) = struct.unpack('<Q', file.read(8))
            # struct latched_seq has two values behind the latch that names one of them.
            file.seek(offset + paddr - start + (8 + (latch & 1) * 8 if LATCHED in ElfDump(dump.path).notes else 0))
            file.write(struct.pack('<Q', seq))


def check_partial(checks, dump, scratch):
    copy = pathlib.Path(scratch) / 'cleared.elf'
    whole = smelt_log(dump.path, os.path.join(scratch, 'whole'))
    cleared_copy(dump, copy, len(LINE.findall(whole)) // 2)
    theirs, knows_callers = peer_log(copy, scratch, '--partial-dmesg')
    ours = smelt_log(copy, os.path.join(scratch, 'ours'), '--partial-dmesg')
    name = f'dmesg {dump.name} --partial-dmesg'
    if not 0.1 < len(ours) / len(whole) < 0.9:
        checks.fail(name, f'{len(ours)} of {len(whole)} bytes are no half of the log')
    else:
        compare(checks, name, ours, theirs, knows_callers)


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                check_dump(checks, dump, scratch)
                if dump.path.suffix == '.elf':
                    check_partial(checks, dump, scratch)
            except (BadDump, SmeltFailed) as failure:
                checks.fail(f'dmesg {dump.name}', str(failure))
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
