#!/usr/bin/env python3
"""info.py DUMP < OUTPUT: do `smelt info` and `smelt dmesg` say of a dump what crash says of it?

OUTPUT is what crash said to the commands that `info.py --ask DUMP` prints: sys, log -m, help -r, and sym for each CPU's RIP. Called by crash.sh;
prints nothing when all is the same. crash's UPTIME is in whole seconds, and its MEMORY counts what is not in the dump.
"""

import json
import re
import subprocess
import sys
from datetime import datetime, timezone

from checks import SMELT

FIELD = re.compile(r'^ *([A-Z]+): (.*?) *$', re.MULTILINE)
RECORD = re.compile(r'^\[ *(\d+)\.(\d{6})\] <([0-7])>(.*)$', re.MULTILINE)
#: Up to the next CPU; of a hypervisor's notes the registers come in another order.
CPU = re.compile(r'^CPU (\d+):\n((?: .*\n)+)', re.MULTILINE)
PLACE = re.compile(r'^([0-9a-f]{16}) \([a-zA-Z]\) ([\w.$]+)(?:\+(\d+))?(?: |$)', re.MULTILINE)
LEVELS = ['emerg', 'alert', 'crit', 'err', 'warn', 'notice', 'info', 'debug']


def report(command, dump):
    run = subprocess.run([SMELT, command, '--json', dump], capture_output=True, text=True, check=True)
    return json.loads(run.stdout)['report']


def compare(what, ours, theirs):
    if ours != theirs:
        print(f'{what}: smelt says {ours!r}, crash {theirs!r}')


def compare_sys(info, text):
    fields = {}
    for name, value in FIELD.findall(text):
        fields.setdefault(name, value)
    crash, kernel = info['crash'], info['kernel']
    compare('release', kernel['release'], fields['RELEASE'])
    compare('version', kernel['version'], fields['VERSION'])
    compare('nodename', kernel['nodename'], fields['NODENAME'])
    compare('machine', kernel['machine'], fields['MACHINE'].split()[0])
    compare('CPUs', len(info['cpus']), int(fields['CPUS'].split()[0]))
    compare('panic message', crash['message'] or '', fields['PANIC'].strip('"'))
    date = datetime.strptime(fields['DATE'], '%a %b %d %H:%M:%S UTC %Y').replace(tzinfo=timezone.utc)
    compare('time', crash['timeMs'] // 1000, int(date.timestamp()))
    hours, minutes, seconds = map(int, fields['UPTIME'].split(':'))
    uptime = (hours * 60 + minutes) * 60 + seconds
    if abs(crash['uptimeMs'] / 1000 - uptime) > 1:
        print(f'uptime: smelt says {crash["uptimeMs"]} ms, crash {fields["UPTIME"]}')


def compare_cpus(info, text):
    register = lambda name, of: int(re.search(rf'\b{name}: ?([0-9a-f]+)', of)[1], 16)
    registers = [(int(cpu), register('RIP', of), register('RSP', of)) for cpu, of in CPU.findall(text)]
    compare('registers', [(cpu['cpu'], int(cpu['rip'], 16), int(cpu['rsp'], 16)) for cpu in info['cpus']], registers)
    places = {}
    for at, name, offset in PLACE.findall(text):
        places[int(at, 16)] = name if not offset else f'{name}+{int(offset):#x}'
    for cpu in info['cpus']:
        compare(f'place of CPU {cpu["cpu"]}', cpu['place'], places.get(int(cpu['rip'], 16)))


def compare_log(log, text):
    theirs = [(int(seconds) * 1_000_000 + int(micros), LEVELS[int(level)], line) for seconds, micros, level, line in RECORD.findall(text)]
    ours = [(entry['timeUs'], entry['level'], entry['text'].split('\n')[0]) for entry in log['entries']]
    compare('records', len(ours), len(theirs))
    for one, other in zip(ours, theirs):
        if one != other:
            compare('a record', one, other)
            return


def main():
    if sys.argv[1] == '--ask':
        print('sys\nlog -m\nhelp -r')
        for cpu in report('info', sys.argv[2])['cpus']:
            print('sym', cpu['rip'][2:])
        return
    dump = sys.argv[1]
    text = sys.stdin.read()
    info = report('info', dump)
    compare_sys(info, text)
    compare_cpus(info, text)
    compare_log(report('dmesg', dump), text)


main()
