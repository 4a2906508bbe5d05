#!/usr/bin/env python3
"""vtop.py DUMP < OUTPUT: do `smelt vtop` and `smelt --vtop` show the walks that crash's vtop showed, entry by entry, with the same flags?

OUTPUT is what crash said to `vtop ADDR` for some addresses. Called by crash.sh; prints nothing when all is the same.
"""

import json
import re
import subprocess
import sys

from checks import SMELT

WALK = re.compile(r'^VIRTUAL +PHYSICAL *\n(?P<vaddr>[0-9a-f]+) +(?P<paddr>[0-9a-f]+|\(not mapped\)) *$', re.MULTILINE)
ENTRY = re.compile(r'^ +(P4D|PUD|PMD|PTE): ([0-9a-f]+) => ([0-9a-f]+)$', re.MULTILINE)
TOP = re.compile(r'^PAGE DIRECTORY: ([0-9a-f]+)$', re.MULTILINE)
FLAGS = re.compile(r'\(([A-Z|]+)\)$', re.MULTILINE)


def walks_of(text):
    """Each walk that crash shows: address, physical address, entries from the top, flags of the last one."""
    starts = [match.start() for match in WALK.finditer(text)] + [len(text)]
    for start, end in zip(starts, starts[1:]):
        part = text[start:end]
        head = WALK.match(part)
        paddr = None if head['paddr'].startswith('(') else int(head['paddr'], 16)
        entries = [(name, int(at, 16), int(entry, 16)) for name, at, entry in ENTRY.findall(part)]
        flags = FLAGS.search(part)
        yield int(head['vaddr'], 16), paddr, int(TOP.search(part)[1], 16), entries, flags and flags[1].split('|')


def smelt_walk(key, *words):
    run = subprocess.run([SMELT, '--json', '--quiet', *words], capture_output=True, text=True, check=True)
    walk = json.loads(run.stdout)['report'][key]
    steps = walk['steps']
    entries = [(step['name'], step['entryPaddr'], int(step['rawEntry'], 16)) for step in steps[1:]]
    return walk['paddr'], int(steps[0]['rawEntry'], 16), entries, steps[-1]['flags'] or None


def main():
    dump = sys.argv[1]
    compared = 0
    for vaddr, *theirs in walks_of(sys.stdin.read()):
        compared += 1
        for ours in (smelt_walk('walk', 'vtop', dump, hex(vaddr)), smelt_walk('vtop', '--dry-run', '--vtop', hex(vaddr), dump)):
            if list(ours) != theirs:
                print(f'{vaddr:#x}: smelt has {ours}, crash {theirs}')
    if compared == 0:
        print('crash shows no walk')


if __name__ == '__main__':
    main()
