#!/usr/bin/env python3
"""dmesg.py [--only NAME ...]: does smelt write the kernel log that makedumpfile writes, of each dump and of what smelt makes of it?

Byte for byte, by Debian sid's makedumpfile where bench/get-makedumpfile.sh has fetched it. The system's (1.7.2) does not tell who
printed a message: then that is taken out of what smelt writes.
"""

import os
import re
import subprocess
import sys
import tempfile

from checks import NEWER_MAKEDUMPFILE, PROJECT, SMELT, Checks, SmeltFailed, arguments, dumps, run_smelt
from count import MAKEDUMPFILE
from dumpfiles import BadDump

CALLER = re.compile(rb'^(\[ *\d+\.\d+\]) \[ *[CT]\d+\]', re.MULTILINE)
#: As wide as what CALLER takes out of the lines that are not indented.
INDENT = re.compile(rb'^ {11}(?= {15})', re.MULTILINE)


def peer_log(path, scratch):
    """What makedumpfile writes, and what smelt has to write for it."""
    knows_callers = NEWER_MAKEDUMPFILE.exists()
    program = str(NEWER_MAKEDUMPFILE) if knows_callers else MAKEDUMPFILE
    if path.suffix == '.elf':
        # It cannot read QEMU's ELF files as they are.
        normal = os.path.join(scratch, 'normal')
        subprocess.run([sys.executable, PROJECT / 'test/lab/elf-normalize.py', path, normal], check=True)
        path = normal
    out = os.path.join(scratch, 'peer')
    run = subprocess.run([program, '--message-level', '4', '--dump-dmesg', '-f', path, out], capture_output=True, text=True)
    if run.returncode:
        raise BadDump('makedumpfile: ' + (run.stderr + run.stdout).strip().replace('\n', ' | ')[:300])
    return read(out), knows_callers


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def smelt_log(path, out):
    run = subprocess.run([SMELT, '--dump-dmesg', '-f', str(path), out], capture_output=True, text=True)
    if run.returncode:
        raise SmeltFailed(f'--dump-dmesg {path} exits with {run.returncode}: {run.stderr.strip()[:300]}')
    return read(out)


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
    filtered = os.path.join(scratch, 'filtered')
    run_smelt(dump.path, filtered, level=31, codec='zlib')
    compare(checks, f'dmesg {dump.name} -d 31', smelt_log(filtered, out), theirs, knows_callers)


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                check_dump(checks, dump, scratch)
            except (BadDump, SmeltFailed) as failure:
                checks.fail(f'dmesg {dump.name}', str(failure))
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
