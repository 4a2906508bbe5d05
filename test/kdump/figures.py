#!/usr/bin/env python3
"""figures.py CONSOLE KERNEL: the table of what saving the dump took in the crash kernel, from the lines that guest/crash printed."""

import json
import re
import sys

console, kernel = open(sys.argv[1], errors='replace').read(), sys.argv[2]


def fields(text):
    return {key: float(value) for key, value in re.findall(r'(\w+)=([\d.]+)', text)}


rows = {name: fields(rest) for name, rest in re.findall(r'^GUEST FIGURE (\S+) (.*)$', console, re.M)}
report = json.loads(re.search(r'\{"smelt":1.*\}', console)[0])['report']
total, available = re.search(r'^GUEST crash .* (\d+) KiB, (\d+) KiB available', console, re.M).groups()
mib = lambda kib: f'{kib / 1024:.1f} MiB'  # noqa: E731


def row(what, seconds, memory=None, rss=None):
    took = (mib(memory['before']), mib(memory['least']), mib(memory['before'] - memory['least'])) if memory else ('', '', '')
    print(f'{what:<42}{seconds:>8}{took[0]:>13}{took[1]:>13}{took[2]:>11}{rss or "":>12}')


print(f'{kernel}, {mib(float(total))} of memory in all, {mib(float(available))} available; {report["input"]["ramBytes"] / 2**30:.2f} GiB are dumped')
print(f'{"":<42}{"time":>8}{"available":>13}{"at the least":>13}{"it takes":>11}{"resident":>12}')
row('save: unlock, log, dump, unmount, lock', f'{rows["save"]["seconds"]:.1f} s', rows['save'])
row('  of it log and dump by smelt -z -d 31', f'{rows["dump"]["seconds"]:.1f} s', rows['dump'], mib(report['peakRssBytes'] / 1024))
row('    of it from its first line on', f'{report["totalMs"] / 1000:.1f} s')
peer = rows['makedumpfile']
row('makedumpfile -z -d 31', f'{peer["seconds"]:.1f} s', peer, mib(peer['rss']))
row('  sync after it', f'{rows["sync"]["seconds"]:.1f} s')
row('smelt --version, mounting the image', f'{rows["cold"]["seconds"]:.1f} s', rows['cold'])
row('smelt --version again', f'{rows["warm"]["seconds"]:.1f} s', rows['warm'])
phases = ', '.join(f'{phase["phase"]} {phase["ms"] / 1000:.1f} s' for phase in report['phases'])
print(f'smelt wrote {report["output"]["sizeBytes"]:,} bytes ({phases})')
