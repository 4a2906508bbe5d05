#!/usr/bin/env python3
"""memory.py [--only NAME ...]: holds what `smelt pages` counts and `smelt map` draws against makedumpfile and crash.

Of each dump: the classes against makedumpfile's report at level 31; of smelt's own level 31 dump of it the same once more,
though most of the memory is gone from it; the frames of the map, one by one, against makedumpfile's second bitmap. Page tables
against the kernel's own count of them, and processes against what crash's ps says (stored answers, NAME.crash.txt). Where crash.sh's
vmlinux is there, zones, free blocks, the page cache, the kernel's counters and every slab cache against crash.
"""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zlib

from checks import CACHE, FIXTURES, SMELT, Checks, arguments, as_number, dumps
from tasks import crash_tasks
from truth import explained, told

CLASSES = ('cache', 'cachePrivate', 'user', 'free', 'hwpoison', 'offline')
KERNEL = ('kernel', 'slab', 'table', 'reserved', 'undecided')
#: Firmware that makedumpfile does not look at, and a page that is not whole (truth.py, KNOWN).
MOST_UNLIKE = 65
RELEASE = '6.1.0-56-amd64'
VMLINUX = os.environ.get('SMELT_VMLINUX', str(CACHE / 'dbg' / RELEASE / f'vmlinux-{RELEASE}'))
MOST_OWNERS = 1000
#: What CPUs had counted and not told when the machine stopped.
MOST_UNTOLD = 16
#: Counters by their name in crash's kmem -V.
NODE_COUNTERS = {
    'slabReclaimable': 'NR_SLAB_RECLAIMABLE_B',
    'slabUnreclaimable': 'NR_SLAB_UNRECLAIMABLE_B',
    'anon': 'NR_ANON_MAPPED',
    'file': 'NR_FILE_PAGES',
    'shmem': 'NR_SHMEM',
    'dirty': 'NR_FILE_DIRTY',
    'writeback': 'NR_WRITEBACK',
    'pageTables': 'NR_PAGETABLE',
}


def smelt(*command):
    run = subprocess.run([SMELT, *map(str, command)], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f'smelt {command[0]} exits with {run.returncode}: {run.stderr.strip()[-300:]}')
    return run.stdout


def pages_of(path):
    return json.loads(smelt('pages', '--json', '--top', MOST_OWNERS, path))['report']


def against_makedumpfile(dump, report):
    truth = dump.truth['levels']['31']['pages']
    kinds = {name: kind['pages'] for name, kind in report['kinds'].items()}
    wrong = [
        f'{name}: {kinds[name]:,}, makedumpfile {truth[name]:,}' for name in CLASSES if kinds[name] != truth[name]
    ]
    kept = sum(kinds[name] for name in (*KERNEL, 'zero'))
    for name, ours, theirs in (
        ('zero', kinds['zero'], truth['zero']),
        ('zero and kernel', kept, dump.truth['levels']['31']['kept']),
    ):
        if not 0 <= ours - theirs <= MOST_UNLIKE:
            wrong.append(f'{name}: {ours:,}, makedumpfile {theirs:,}')
    if sum(kinds.values()) != report['totalPages']:
        wrong.append(f'the kinds add up to {sum(kinds.values()):,} of {report["totalPages"]:,} pages')
    return wrong


def same_when_filtered(dump, report, folder):
    """Struct pages stay at any level: what is no longer there is told all the same."""
    filtered = folder / 'filtered'
    smelt('-l', '-d', 31, '-f', dump.path, filtered)
    other = pages_of(filtered)
    wrong = [
        f'{name}: {other["kinds"][name]["pages"]:,} of the filtered dump, {kind["pages"]:,} of the whole one'
        for name, kind in report['kinds'].items()
        if other['kinds'][name]['pages'] != kind['pages']
    ]
    return wrong + [f'{what} are others' for what in ('orders', 'slabCaches', 'zones') if not like(report, other, what)]


def like(report, other, what):
    def bare(value):
        if isinstance(value, dict):
            return {key: bare(each) for key, each in value.items() if key != 'absentPages'}
        return [bare(each) for each in value] if isinstance(value, list) else value

    return bare(report[what]) == bare(other[what])


def map_frames(page):
    """The kind of every page frame, out of the page that a browser gets, and the numbers of the kinds that stay."""
    text = page.read_text()
    part = lambda name: re.search(rf'<script type="[a-z/]+" id="{name}">(.*?)</script>', text, re.S)[1]  # noqa: E731
    data = json.loads(part('map'))
    if any(data['shifts']):
        raise RuntimeError('the map is coarser than frame by frame')
    packed = base64.b64decode(part('runs'))
    starts = [first + i * data['windowPages'] for first, count in data['windows'] for i in range(count)]
    offset = 0
    for start, length in zip(starts, data['lengths'], strict=True):
        runs = zlib.decompress(packed[offset : offset + length], -15)
        offset += length
        at, pfn = 0, start
        while at < len(runs):
            code, count, shift = runs[at], 0, 0
            at += 1
            while True:
                count |= (runs[at] & 0x7F) << shift
                shift += 7
                at += 1
                if runs[at - 1] < 0x80:
                    break
            yield pfn, count, code & 0x0F
            pfn += count


#: FRAME_KINDS: kernel, slab, table, reserved, undecided, zero.
KEPT_KINDS = range(1, 7)


def map_against_bitmap(dump, folder):
    page = folder / 'map.html'
    smelt('map', '-f', '-o', page, dump.path)
    ours = 0
    for pfn, count, kind in map_frames(page):
        if kind in KEPT_KINDS:
            ours |= ((1 << count) - 1) << pfn
    theirs = as_number(zlib.decompress(base64.b64decode(dump.truth['levels']['31']['bitmap2ZlibBase64'])))
    differing = ours ^ theirs
    unlike = []
    while differing:
        pfn = (differing & -differing).bit_length() - 1
        differing &= differing - 1
        if not explained(dump, 31, pfn):
            unlike.append(pfn)
    return [f'{len(unlike)} page frames are drawn as others: {told(unlike)}'] if unlike else []


def ask_crash(path):
    commands = 'kmem -i\nkmem -f\nkmem -s\nkmem -V\nexit\n'
    with tempfile.NamedTemporaryFile('w', suffix='.crash') as script:
        script.write(commands)
        script.flush()
        run = subprocess.run(
            ['crash', '-s', VMLINUX, str(path), '-i', script.name],
            capture_output=True, text=True, timeout=600, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    return run.stdout


def against_crash(dump, report):
    said = ask_crash(dump.path)
    number = lambda name: int(re.search(rf'^ +{name} +(\d+)', said, re.M)[1])  # noqa: E731
    kinds = {name: kind['pages'] for name, kind in report['kinds'].items()}
    wrong = []

    def same(what, ours, theirs):
        if ours != theirs:
            wrong.append(f'{what}: {ours:,}, crash {theirs:,}')

    same('free pages', kinds['free'], number('FREE'))
    same('memory', report['counters']['total'], number('TOTAL MEM'))
    same('file pages', report['counters']['file'], number('CACHED') + number('BUFFERS'))
    # All counters of the kernel, by their names; and what the same dump's page frames are.
    counter = lambda name: int(re.search(rf'^ *{name}: (\d+)$', said[said.index('VM_NODE_STAT:') :], re.M)[1])  # noqa: E731
    for field, name in NODE_COUNTERS.items():
        same(field, report['counters'][field], counter(name))
    same('kernel stacks', report['counters']['kernelStacks'] * 4, counter('NR_KERNEL_STACK_KB'))
    said_of_zones = said[said.index('VM_ZONE_STAT:') : said.index('VM_NODE_STAT:')]
    same('mlocked', report['counters']['mlocked'], int(re.search(r'NR_MLOCK: (\d+)', said_of_zones)[1]))
    # Of each zone: "NODE", its name, and behind it the areas.
    blocks = re.findall(r'^ *(\d+) +\d+k +[0-9a-f]+ +(\d+) +(\d+)', said, re.M)
    for order in report['orders']:
        theirs = sum(int(count) for number_, count, _pages in blocks if int(number_) == order['order'])
        same(f'free blocks of order {order["order"]}', order['freeBlocks'], theirs)
    caches = {
        match[3]: int(match[1]) * int(match[2]) // 4
        for match in re.finditer(r'^[0-9a-f]{16} +\d+ +\d+ +\d+ +(\d+) +(\d+)k  (\S+)$', said, re.M)
    }
    ours = {}
    for cache in report['slabCaches']['top']:
        ours[cache['name']] = ours.get(cache['name'], 0) + cache['pages']
    if len(ours) < 50:
        wrong.append(f'only {len(ours)} slab caches are named')
    for name in sorted({*ours, *caches}):
        same(f'pages of the slab cache {name}', ours.get(name, 0), caches.get(name, 0))
    return wrong, f'{len(ours)} slab caches, {sum(ours.values()):,} pages of them'


def page_tables(path):
    """By their type, against NR_PAGETABLE; empty ones are pages of zeros, so none are looked for."""
    report = json.loads(smelt('pages', '--json', '--quick', path))['report']
    ours, kernels = report['kinds']['table']['pages'], report['counters']['pageTables']
    wrong = [] if kernels and abs(ours - kernels) <= MOST_UNTOLD else [f'{ours:,}, the kernel {kernels:,}']
    return wrong, f'{ours} of {kernels}'


def processes_of_crash(report, text):
    """RSS and names of all processes that have memory, by crash's ps."""
    theirs = {pid: (rss, comm) for _, pid, _, _, _, _, _, _, rss, comm in crash_tasks(text) if rss}
    ours = {each['pid']: each for each in report['processes']['top']}
    wrong = []
    for pid in ours.keys() | theirs.keys():
        own = ours.get(pid)
        # Threads are rows of crash's.
        if own is None:
            continue
        if pid not in theirs or (own['residentBytes'] // 1024, own['comm']) != theirs[pid]:
            wrong.append(f'PID {pid}: {own["comm"]} {own["residentBytes"] // 1024} KiB, crash {theirs.get(pid)}')
        if own['anonBytes'] + own['fileBytes'] + own['shmemBytes'] != own['residentBytes']:
            wrong.append(f'PID {pid}: its parts do not add up to {own["residentBytes"]:,} bytes')
    missing = {theirs[pid] for pid in theirs.keys() - ours.keys()} - {theirs[pid] for pid in theirs.keys() & ours.keys()}
    # A thread has the RSS of its process, and perhaps a name of its own.
    unknown = [each for each in missing if each[0] not in {theirs[pid][0] for pid in theirs.keys() & ours.keys()}]
    if unknown or not theirs or len(ours) != report['processes']['processes']:
        wrong.append(f'{len(ours)} processes; crash has others: {unknown}')
    return wrong, f'{len(ours)} processes'


def main():
    checks = Checks()
    args = arguments(__doc__).parse_args()
    has_crash = shutil.which('crash') and os.path.exists(VMLINUX)
    for dump in dumps(args.only):
        with tempfile.TemporaryDirectory() as folder:
            folder = dump.path.__class__(folder)
            try:
                report = pages_of(dump.path)
                total = f'{report["totalPages"]:,} pages'
                checks.verdict(f'pages {dump.name} as makedumpfile counts', against_makedumpfile(dump, report), total)
                if dump.path.suffix == '.elf' or not dump.truth.get('dumpLevel'):
                    checks.verdict(
                        f'pages {dump.name} the same when filtered', same_when_filtered(dump, report, folder)
                    )
                checks.verdict(f'map {dump.name} frame by frame as makedumpfile', map_against_bitmap(dump, folder))
                checks.verdict(f'pages {dump.name} page tables', *page_tables(dump.path))
                stored = FIXTURES / f'{dump.name}.crash.txt'
                if stored.exists():
                    checks.verdict(f'pages {dump.name} processes as crash', *processes_of_crash(report, stored.read_text()))
                if has_crash and dump.truth['vmcoreinfo']['OSRELEASE'] == RELEASE:
                    wrong, note = against_crash(dump, report)
                    checks.verdict(f'pages {dump.name} as crash', wrong[:8], note)
                else:
                    print(f'note: pages {dump.name}: crash is asked here with the vmlinux of {RELEASE} alone; answers.py has what it and drgn said of this one')
            except (RuntimeError, subprocess.TimeoutExpired, TypeError, KeyError) as error:
                checks.fail(f'pages {dump.name}', repr(error))
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
