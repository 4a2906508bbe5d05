#!/usr/bin/env python3
"""check.py SMELT CONSOLE DUMP...: holds `smelt pages` of each dump against the /proc/zoneinfo and /proc/meminfo that its guest printed."""

import json
import re
import subprocess
import sys

#: What the guest did after it had printed: pages that its CPUs hold, and what the last programs gave back.
MOST_MOVED = 256
#: What CPUs have counted by themselves and not told the counter yet.
MOST_UNTOLD = 64
ZONE = re.compile(r'^Node (\d+), zone +(\w+)\n(.*?)(?=^Node |\Z)', re.M | re.S)
failures = passes = 0


def verdict(name, complaints, note=''):
    global failures, passes
    print(f'{"FAIL" if complaints else "PASS"} {name}' + (f': {"; ".join(complaints)}' if complaints else f' ({note})'))
    failures += bool(complaints)
    passes += not complaints


def zones_of(console):
    """By node and name, those that have memory: figures of the kernel."""
    text = re.search(r'ZONEINFO begins\n(.*)ZONEINFO ends', console, re.S)[1]
    zones = {}
    for node, name, body in ZONE.findall(text):
        number = lambda key: int(re.search(rf'^ +(?:pages )?{key} +(\d+)$', body, re.M)[1])  # noqa: E731
        if number('spanned'):
            zones[int(node), name] = {key: number(key) for key in ('free', 'spanned', 'present', 'managed')}
            zones[int(node), name]['start'] = int(re.search(r'start_pfn: +(\d+)', body)[1])
    return zones


def main(smelt, console, *dumps):
    text = open(console, errors='replace').read().replace('\r', '')
    zones = zones_of(text)
    nodes = {node for node, _ in zones}
    spans = [(each['start'], each['start'] + each['spanned']) for (_, name), each in zones.items() if name == 'Normal']
    verdict(
        'the guest has nodes as they were asked for',
        [
            *([] if nodes == {0, 2} else [f'nodes with memory: {sorted(nodes)}']),
            *([] if 'nodes online: 0-2' in text else ['node 1 is not online']),
            *([] if len(spans) == 2 and max(s for s, _ in spans) < min(e for _, e in spans) else ['no zones in one another']),
            *([] if any(each['spanned'] > each['present'] + 32768 for each in zones.values()) else ['no hole']),
        ],
        f'{len(zones)} zones',
    )
    for dump in dumps:
        report = json.loads(subprocess.run([smelt, 'pages', '--json', '--quick', '--quiet', dump], capture_output=True, check=True).stdout)
        report = report['report']
        ours = {(zone['node'], zone['name']): zone for zone in report['zones']}
        wrong = [f'zones {sorted(ours)}, the kernel {sorted(zones)}'] if ours.keys() != zones.keys() else []
        for which in ours.keys() & zones.keys():
            one, other = ours[which], zones[which]
            for key, name in (('startPfn', 'start'), ('spannedPages', 'spanned'), ('presentPages', 'present'), ('managedPages', 'managed')):
                if one[key] != other[name]:
                    wrong.append(f'{which}: {key} {one[key]:,}, the kernel {other[name]:,}')
            if not 0 <= one['pages'] - other['present'] <= 128:
                wrong.append(f'{which}: {one["pages"]:,} page frames, the kernel {other["present"]:,}')
            if abs(one['kinds']['free']['pages'] - one['freePages']) > MOST_UNTOLD:
                wrong.append(f'{which}: {one["kinds"]["free"]["pages"]:,} free, its counter {one["freePages"]:,}')
            if abs(one['freePages'] - other['free']) > MOST_MOVED:
                wrong.append(f'{which}: {one["freePages"]:,} free, /proc/zoneinfo {other["free"]:,}')
        verdict(f'{dump.rsplit("/", 1)[-1]}: nodes and zones', wrong, ', '.join(f'{node} {name}' for node, name in sorted(ours)))
    print(f'numa: {passes} passed, {failures} failed')
    return failures > 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
