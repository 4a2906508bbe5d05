#!/usr/bin/env python3
"""look.py [--only NAME ...]: what smelt sees in a dump, held against those who see the same.

read: bytes by physical address against libkdumpfile, by virtual address against drgn, which walks the page tables by itself. symbols:
against VMCOREINFO, and of kernels whose vmlinux is there (answers/make.sh fetches it) all of them against nm. verify: nothing is wrong with
what makedumpfile and QEMU write, plain, flattened and split, and a page that is damaged is found. diff: its counts are those of
dumpfiles.py, which has none of smelt's code.
"""

import functools
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import drgn
import kdumpfile
from kdumpfile.exceptions import KDumpBaseException

from checks import CACHE, SMELT, Checks, SmeltFailed, arguments, dumps, run_smelt
from count import MAKEDUMPFILE
from dumpfiles import PAGE, KdumpFile, bits
from inputs import READABLE

QEMU = CACHE / 'flattened'
#: Ranges that are read of each dump.
RANGES = 12
SYMBOLS = ('linux_banner', 'init_task', 'init_uts_ns', 'sys_call_table', 'jiffies_64')
IMAGE = 0xFFFFFFFF80000000
#: With SPARSEMEM_EXTREME its value stands there: the kernel says SYMBOL of a pointer as of an array.
VALUES = ('mem_section',)
SYMBOL = re.compile(rb'^SYMBOL\((\w+)\)=([0-9a-f]+)$', re.MULTILINE)


def run(*command):
    return subprocess.run([*map(str, command)], capture_output=True)


def smelt_json(*words, statuses=(0,)):
    done = run(SMELT, '--json', '--quiet', *words)
    if done.returncode not in statuses:
        raise SmeltFailed(f'{" ".join(map(str, words))}: exit {done.returncode}: {done.stderr.decode()[:300]}')
    return json.loads(done.stdout)['report']


def raw(path, address, length):
    done = run(SMELT, 'read', '--raw', path, hex(address), length)
    if done.returncode:
        raise SmeltFailed(f'read {address:#x}: {done.stderr.decode()[:300]}')
    return done.stdout


def check_physical(checks, name, path, pfns):
    """Ranges that begin and end anywhere, over page borders."""
    reader = kdumpfile.kdumpfile(str(path))
    rng = random.Random(1)
    have = set(pfns)
    starts = [pfn for pfn in pfns if pfn + 1 in have and pfn + 2 in have]
    complaints = []
    for pfn in rng.sample(starts, min(RANGES, len(starts))):
        at, length = pfn * PAGE + rng.randrange(PAGE), rng.randrange(1, 2 * PAGE)
        try:
            theirs = reader.read(kdumpfile.KDUMP_MACHPHYSADDR, at, length)
        except KDumpBaseException as cause:
            complaints.append(f'libkdumpfile cannot read {at:#x}: {cause}')
            continue
        if raw(path, at, length) != theirs:
            complaints.append(f'{length} bytes at {at:#x} differ')
    checks.verdict(f'read {name}, physical', complaints, f'{min(RANGES, len(starts))} ranges as libkdumpfile has them')


def check_virtual(checks, name, path):
    program = drgn.Program()
    program.set_core_dump(str(path))
    complaints, seen = [], 0
    for symbol in SYMBOLS:
        found = smelt_json('symbols', path, symbol, statuses=(0, 1))['symbols']
        for vaddr in {int(each['vaddr'], 16) for each in found}:
            ours = raw(path, vaddr, 300)
            try:
                theirs = program.read(vaddr, 300)
            except drgn.FaultError as cause:
                complaints.append(f'drgn cannot read {symbol}: {cause}')
                continue
            seen += 1
            if ours != theirs:
                complaints.append(f'300 bytes of {symbol} at {vaddr:#x} differ')
    if not seen:
        complaints.append('no symbol was compared')
    checks.verdict(f'read {name}, virtual', complaints, f'{seen} symbols as drgn reads them')


def check_vmcoreinfo(checks, name, path, notes):
    given = {symbol.decode(): int(vaddr, 16) for symbol, vaddr in SYMBOL.findall(notes) if symbol.decode() not in VALUES}
    ours = {}
    for each in smelt_json('symbols', path)['symbols']:
        if not each['module']:
            ours.setdefault(each['name'], set()).add(int(each['vaddr'], 16))
    both = {symbol for symbol in given if symbol in ours}
    wrong = [symbol for symbol in both if given[symbol] not in ours[symbol]]
    complaints = [f'{symbol} is elsewhere' for symbol in sorted(wrong)] + ([] if both else ['no symbol is in both'])
    checks.verdict(f'symbols {name}, VMCOREINFO', complaints, f'{len(both)} symbols where VMCOREINFO has them')
    return ours


def vmlinux_of(dump):
    release = dump.truth['vmcoreinfo']['OSRELEASE']
    return CACHE / 'dbg' / release / f'vmlinux-{release}'


@functools.lru_cache(1)
def nm(vmlinux):
    """Addresses by name, as the vmlinux has them."""
    table = {}
    for line in run('nm', vmlinux).stdout.decode().splitlines():
        address, _, name = line.split()[-3:] if len(line.split()) == 3 else ('', '', '')
        if address:
            table.setdefault(name, set()).add(int(address, 16))
    return table


def check_nm(checks, name, ours, notes, theirs):
    """Every symbol is where the linker put it, moved by KASLR; and of the text none is missing."""
    offset = int(re.search(rb'^KERNELOFFSET=([0-9a-f]+)$', notes, re.MULTILINE)[1], 16)
    moved = {symbol: {a + offset if a >= IMAGE else a for a in addresses} for symbol, addresses in theirs.items()}
    foreign = [symbol for symbol, addresses in ours.items() if not addresses <= moved.get(symbol, set())]
    missing = [symbol for symbol in theirs if symbol not in ours]
    complaints = [f'{len(foreign)} are not where nm has them, among them {sorted(foreign)[:3]}'] if foreign else []
    total = sum(len(addresses) for addresses in ours.values())
    checks.verdict(f'symbols {name}, nm', complaints, f'{total} symbols where nm has them; {len(missing)} names of nm are not in the table')


def check_verify(checks, name, *paths):
    report = smelt_json('verify', *paths, statuses=(0, 1))
    said = [found['what'] for found in report['findings']]
    checks.verdict(f'verify {name}', said[:3], f'{report["pages"]} pages')


def check_damaged(checks, name, path):
    """One byte of one page is changed; the page must be found, and no other."""
    output = KdumpFile(path)
    packed = [(pfn, place, size) for pfn, place, size, flags in output.pages() if flags]
    pfn, place, size = packed[len(packed) // 2]
    with open(path, 'r+b') as file:
        file.seek(place + size // 2)
        byte = file.read(1)[0]
        file.seek(place + size // 2)
        file.write(bytes([byte ^ 0x55]))
    report = smelt_json('verify', path, statuses=(0, 1))
    found = [(each['kind'], each['pages'], each['runs']) for each in report['findings']]
    right = found == [('notWhole', 1, [{'pfn': pfn, 'count': 1}])]
    checks.verdict(f'verify {name}, damaged', [] if right else [f'page frame {pfn:#x} was changed, and found was {found[:2]}'])


def check_diff(checks, name, dump, path, output):
    source = dump.source()
    kept, all_pages = set(bits(output.bitmap2)), set(bits(source.bitmap()))
    report = smelt_json('diff', dump.path, path)
    numbers = (report['identicalPages'], report['differ']['pages'], report['onlyA']['pages'], report['onlyB']['pages'])
    want = (len(kept), 0, len(all_pages - kept), 0)
    checks.verdict(f'diff {name}', [] if numbers == want else [f'expected {want}, saw {numbers}'], f'{want[0]} the same, {want[2]} only in the source')


def check_makedumpfile(checks, dump, scratch):
    def make(what, *options, files=('peer',), stdout=None):
        targets = [os.path.join(scratch, each) for each in files]
        for target in targets:
            pathlib.Path(target).unlink(missing_ok=True)
        command = [MAKEDUMPFILE, '--message-level', '4', *options, str(dump.path), *([] if stdout else targets)]
        with open(targets[0], 'wb') if stdout else open(os.devnull, 'wb') as out:
            done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE)
        if done.returncode:
            checks.fail(f'verify {dump.name}, makedumpfile {what}', f'makedumpfile: {done.stderr.decode()[:200]}')
        else:
            check_verify(checks, f'{dump.name}, makedumpfile {what}', *targets)

    make('-c -d 31', '-c', '-d', '31')
    make('-l -d 0', '-l', '-d', '0')
    make('-d 1', '-d', '1')
    if READABLE[dump.name]:
        make('-E -d 31', '-E', '-d', '31')
    make('-F -c -d 31', '-F', '-c', '-d', '31', stdout=True)
    make('--split', '--split', '-l', '-d', '31', files=('part1', 'part2', 'part3'))


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, 'dump')
            try:
                _, output = run_smelt(dump.path, path, level=31, codec='zlib')
                check_physical(checks, dump.name, dump.path, list(bits(dump.source().bitmap())))
                check_physical(checks, f'{dump.name} -d 31', path, list(bits(output.bitmap2)))
                check_diff(checks, f'{dump.name} -d 31', dump, path, output)
                check_verify(checks, dump.name, dump.path)
                check_verify(checks, f'{dump.name} -d 31', path)
                check_virtual(checks, f'{dump.name} -d 31', path)
                ours = check_vmcoreinfo(checks, dump.name, path, output.notes)
                vmlinux = vmlinux_of(dump)
                if vmlinux.exists():
                    check_nm(checks, dump.name, ours, output.notes, nm(vmlinux))
                else:
                    print(f'note: symbols {dump.name}: nm has no {vmlinux.name} (answers/make.sh fetches it), so answers.py alone looks at some')
                check_damaged(checks, dump.name, path)
                if dump.name in READABLE:
                    check_makedumpfile(checks, dump, scratch)
            except SmeltFailed as failure:
                checks.fail(f'look {dump.name}', str(failure))
    for name in ('qemu.elf', 'qemu.flat'):
        if not options.only and (QEMU / name).exists():
            check_verify(checks, f'QEMU {name}', QEMU / name)
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
