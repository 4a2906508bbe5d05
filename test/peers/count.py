#!/usr/bin/env python3
"""count.py VMCORE [--same-as OTHER] [--levels 0,1,...]: what makedumpfile makes of a dump, as JSON on standard output.

For each dump level the pages of each class as its report prints them, the number of kept pages and the whole second bitmap.
With --same-as, the same is asked of a second file (the ELF that a kdump-compressed one was made of), and nothing is written
unless the answers are equal. Env MAKEDUMPFILE names another makedumpfile.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import zlib

from dumpfiles import KdumpFile

LEVELS = (0, 1, 2, 4, 8, 16, 31)
MAKEDUMPFILE = os.environ.get('MAKEDUMPFILE', 'makedumpfile')
REPORT = {
    'zero': r'Pages filled with zero\s*: (\w+)',
    'cache': r'Non-private cache pages\s*: (\w+)',
    'cachePrivate': r'Private cache pages\s*: (\w+)',
    'user': r'User process data pages\s*: (\w+)',
    'free': r'Free pages\s*: (\w+)',
    'hwpoison': r'Hwpoison pages\s*: (\w+)',
    'offline': r'Offline pages\s*: (\w+)',
    'remaining': r'Remaining pages\s*: (\w+)',
    'original': r'Original pages\s*: (\w+)',
    'hole': r'Memory Hole\s*: (\w+)',
}
SHOWN = ('OSRELEASE', 'NUMBER(phys_base)', 'NUMBER(pgtable_l5_enabled)', 'KERNELOFFSET', 'NUMBER(sme_mask)', 'CRASHTIME')


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def at_level(vmcore, level, scratch):
    out = os.path.join(scratch, f'{level}.kdump')
    run = subprocess.run(
        [MAKEDUMPFILE, '--message-level', '31', '-c', '-d', str(level), vmcore, out], capture_output=True, text=True
    )
    if run.returncode:
        sys.exit(f'makedumpfile -d {level} {vmcore}: {run.stdout}{run.stderr}')
    text = run.stdout + run.stderr
    pages = {key: int(found.group(1), 16) for key, line in REPORT.items() if (found := re.search(line, text))}
    dump = KdumpFile(out)
    size = os.path.getsize(out)
    os.unlink(out)
    return dump, {
        'pages': pages,
        'kept': dump.kept,
        'bytes': size,
        'bitmap2Sha256': sha256(dump.bitmap2),
        'bitmap2ZlibBase64': base64.b64encode(zlib.compress(dump.bitmap2, 9)).decode(),
    }


def count(vmcore, levels):
    result = {}
    with tempfile.TemporaryDirectory() as scratch:
        for level in levels:
            dump, result[str(level)] = at_level(vmcore, level, scratch)
    return dump, result


def differences(one, other):
    for level in one:
        for key in ('kept', 'bitmap2Sha256'):
            if one[level][key] != other[level][key]:
                yield f'level {level}: {key} is {one[level][key]} and {other[level][key]}'
        for key, pages in one[level]['pages'].items():
            if pages != other[level]['pages'].get(key):
                yield f'level {level}: {key} pages are {pages} and {other[level]["pages"].get(key)}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('vmcore')
    parser.add_argument('--same-as')
    parser.add_argument('--levels', default=','.join(map(str, LEVELS)))
    arguments = parser.parse_args()
    levels = [int(level) for level in arguments.levels.split(',')]
    dump, result = count(arguments.vmcore, levels)
    if arguments.same_as:
        found = list(differences(result, count(arguments.same_as, levels)[1]))
        if found:
            sys.exit(f'{arguments.vmcore} and {arguments.same_as} differ:\n' + '\n'.join(found))
    with open(arguments.vmcore, 'rb') as file:
        digest = hashlib.file_digest(file, 'sha256').hexdigest()
    lines = dict(line.split('=', 1) for line in dump.vmcoreinfo.decode().splitlines() if '=' in line)
    version = subprocess.run([MAKEDUMPFILE, '-v'], capture_output=True, text=True)
    facts = {
        'peer': (version.stdout + version.stderr).splitlines()[0],
        'file': os.path.basename(arguments.vmcore),
        'size': os.path.getsize(arguments.vmcore),
        'levels': result,
        'sha256': digest,
        'maxMapnr': dump.max_mapnr,
        'vmcoreinfo': {key: lines[key] for key in SHOWN if key in lines},
    }
    json.dump(facts, sys.stdout, indent=1)
    print()


if __name__ == '__main__':
    main()
