#!/usr/bin/env python3
"""answers.py [--only NAME ...]: do `smelt info`, `dmesg`, `pages`, `symbols`, `vtop` and `read` say what drgn and crash say?

Both answers are stored (answers/, and beside the fixtures): drgn 0.3.0's and crash 9.0.2's, who had the debug information; smelt has the dump
alone. Of each dump, and of what smelt -d 31 leaves of it. tasks.py does the same for ps, bt and mods.
"""

import os
import re
import subprocess
import sys
import tempfile
import zlib

from checks import SMELT, Checks, SmeltFailed, arguments, ask_smelt, crash_says, drgn_says, dumps, run_smelt
from dumpfiles import BadDump

LEVELS = ('emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug')
FACILITIES = ('kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp')
FIELD = re.compile(r'^ *([A-Z]+): (.*?) *$', re.MULTILINE)
#: Seconds: the clocks are told to the second, and a coarse one is behind.
MOST_OFF = 1
MOST_OWNERS = 1000
READ = 64


def differences(pairs):
    return [f'{what}: {ours!r} against {theirs!r}' for what, ours, theirs in pairs if ours != theirs]


def check_info(checks, name, report, said, text):
    kernel, crash = report['kernel'], report['crash']
    if said:
        (release, version, node, machine, command_line, seconds, uptime, taint) = said['system'][0]
        wrong = differences([
            ('release', kernel['release'], release), ('version', kernel['version'], version), ('node', kernel['nodename'], node),
            ('machine', kernel['machine'], machine), ('command line', kernel['commandLine'], command_line), ('taint', kernel['taint'], taint),
            ('CPUs', [[cpu['cpu'], cpu['rip'], cpu['rsp']] for cpu in report['cpus']], said['cpu']),
        ])  # fmt: skip
        for what, ours, theirs in (('time', crash['timeMs'], seconds), ('uptime', crash['uptimeMs'], uptime)):
            if ours is None or abs(ours / 1000 - theirs) > MOST_OFF:
                wrong.append(f'{what}: {ours} ms against {theirs} s')
        checks.verdict(f'info {name}, drgn', wrong, 'system, time, uptime, taint and the registers of each CPU are the same')
    if text:
        fields = {}
        for field, value in FIELD.findall(text):
            fields.setdefault(field, value)
        wrong = differences([
            ('release', kernel['release'], fields['RELEASE']), ('version', kernel['version'], fields['VERSION']),
            ('node', kernel['nodename'], fields['NODENAME']), ('machine', kernel['machine'], fields['MACHINE'].split()[0]),
            ('CPUs', len(report['cpus']), int(fields['CPUS'].split()[0])), ('panic', crash['message'] or '', fields['PANIC'].strip('"')),
        ])  # fmt: skip
        checks.verdict(f'info {name}, crash', wrong, 'what its sys says is the same')


def check_dmesg(checks, name, report, said):
    ours = [
        [entry['timeUs'], entry['level'], entry['facility'], entry['caller'], zlib.crc32(entry['text'].encode())]
        for entry in report['entries']
    ]
    theirs = [[ns // 1000, LEVELS[level], FACILITIES[facility], caller, crc] for _, ns, level, facility, caller, crc in said['log']]
    wrong = [] if len(ours) == len(theirs) else [f'{len(ours)} records against {len(theirs)}']
    wrong += differences(zip(range(len(ours)), ours, theirs))[:2]
    checks.verdict(f'dmesg {name}, drgn', wrong, f'{len(theirs)} records with level, facility and caller are the same')


def check_pages(checks, name, report, said, text):
    counters = report['counters']
    if said:
        zones = [
            [
                zone['node'], zone['name'], zone['startPfn'], zone['spannedPages'], zone['presentPages'], zone['managedPages'],
                zone['freePages'], zone['freeBlocks'],
            ]
            for zone in report['zones']
        ]  # fmt: skip
        memory = [counters['total'], report['kernelFreePages'], counters['file'], counters['shmem'], counters['slab']]
        caches = {}
        for cache in report['slabCaches']['top']:
            caches[cache['name']] = caches.get(cache['name'], 0) + cache['pages']
        theirs = {}
        for cache, pages in said['slab']:
            theirs[cache] = theirs.get(cache, 0) + pages
        theirs = {cache: pages for cache, pages in theirs.items() if pages}
        wrong = differences([('zones', zones, said['zone']), ('memory', memory, said['memory'][0])])
        wrong += differences((f'slab cache {cache}', caches.get(cache, 0), theirs.get(cache, 0)) for cache in sorted({*caches, *theirs}))[:3]
        checks.verdict(f'pages {name}, drgn', wrong, f'{len(zones)} zones with their free blocks, the counters and {len(theirs)} slab caches are the same')
    if text:
        number = lambda what: int(re.search(rf'^ +{what} +(\d+)', text, re.M)[1])  # noqa: E731
        wrong = differences([
            ('memory', counters['total'], number('TOTAL MEM')), ('free', report['kernelFreePages'], number('FREE')),
            ('file pages', counters['file'], number('CACHED') + number('BUFFERS')), ('slab', counters['slab'], number('SLAB')),
        ])  # fmt: skip
        checks.verdict(f'pages {name}, crash', wrong, 'what its kmem -i says is the same')


def check_symbols(checks, name, report, said):
    """Some of the kernel's by name and address; of modules all functions, and those alone, by what they come to together."""
    kernel, modules = set(), {}
    for symbol in report['symbols']:
        if symbol['module'] is None:
            kernel.add((symbol['vaddr'], symbol['name']))
        else:
            modules.setdefault(symbol['module'], set()).add((symbol['vaddr'], symbol['name']))
    wrong = [f'{symbol} is not at {vaddr}' for vaddr, symbol in said['symbol'] if (vaddr, symbol) not in kernel]
    seen = 0
    for module, _, some in said['within']:
        seen += len(some)
        wrong += [f'{symbol} [{module}] is not at {vaddr}' for vaddr, symbol in some if (vaddr, symbol) not in modules.get(module, ())]
    checks.verdict(
        f'symbols {name}, drgn', [f'{len(wrong)}: {"; ".join(wrong[:3])}'] if wrong else [],
        f'{len(said["symbol"])} symbols of the kernel and {seen} of {len(said["within"])} modules are where drgn has them',
    )  # fmt: skip


def check_named(checks, name, path, said):
    """By name, and by address."""
    vaddr, symbol = said['symbol'][len(said['symbol']) // 2]
    module, _, some = said['within'][-1]
    wrong = []
    for at, each, of in ((vaddr, symbol, None), (*some[len(some) // 2], module)):
        found = ask_smelt('symbols', path, each, statuses=(0, 1))['symbols']
        if not any(s['vaddr'] == at and s['module'] == of for s in found):
            wrong.append(f'{each} is found elsewhere')
        found = ask_smelt('symbols', path, at, statuses=(0, 1))['at']
        if not found or found['offset'] != 0 or found['module'] != of:
            wrong.append(f'at {at} there is {found}, not {each}')
    checks.verdict(f'symbols {name}, one by one', wrong, f'{symbol} and {some[len(some) // 2][1]} by name and by address')


def check_walks(checks, name, path, walks, reads):
    wrong = []
    for what, vaddr, paddr, _ in walks:
        ours = ask_smelt('vtop', path, vaddr)['walk']['paddr']
        if ours != paddr:
            wrong.append(f'{what} at {vaddr} leads to {ours}, not {paddr}')
    for what, vaddr, _, crc in reads:
        run = subprocess.run([SMELT, 'read', '--raw', '--quiet', path, vaddr, str(READ)], capture_output=True)
        if crc is not None and (run.returncode or zlib.crc32(run.stdout) != crc):
            wrong.append(f'{what} at {vaddr} has other bytes')
    of = lambda some: ', '.join(each[0] for each in some)  # noqa: E731
    checks.verdict(f'vtop, read {name}, drgn', wrong[:3], f'the same walks to {of(walks)}; the same bytes of {of(reads)}')


def check(checks, name, path, said, text, part):
    report = ask_smelt('info', path)
    check_info(checks, name, report, said, text)
    check_pages(checks, name, ask_smelt('pages', '--top', MOST_OWNERS, path), said, text)
    if said:
        check_dmesg(checks, name, ask_smelt('dmesg', path), said)
        check_symbols(checks, name, ask_smelt('symbols', path), said)
        if part == 0:
            check_named(checks, name, path, said)
        check_walks(checks, name, path, said['walk'][part::2], said['walk'][1 - part :: 2])


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        said, text = drgn_says(dump.name), crash_says(dump.name)
        for peer, answers in (('drgn', said), ('crash', text)):
            if answers is None:
                print(f'note: info, dmesg, pages, symbols, vtop, read {dump.name}: no answers of {peer} are stored (answers/make.sh)')
        with tempfile.TemporaryDirectory() as scratch:
            try:
                filtered = os.path.join(scratch, 'filtered')
                run_smelt(dump.path, filtered, level=31)
                # A start of smelt is what an address costs: half of them in each.
                check(checks, dump.name, dump.path, said, text, 0)
                check(checks, f'{dump.name} -d 31', filtered, said, text, 1)
            except (BadDump, SmeltFailed) as failure:
                checks.fail(f'answers {dump.name}', str(failure))
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
