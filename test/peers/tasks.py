#!/usr/bin/env python3
"""tasks.py [--only NAME ...]: do `smelt ps`, `bt` and `mods` say what crash says, and does each stack lead where drgn's leads?

crash's answers are stored beside the fixtures (NAME.crash.txt, crash 9.0.2 with the vmlinux). drgn unwinds by the debug
information of the vmlinux that crash.sh fetches; smelt has the dump alone. Of each dump, and of what smelt -d 31 leaves of it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

from checks import CACHE, FIXTURES, SMELT, Checks, SmeltFailed, arguments, dumps, run_smelt
from dumpfiles import BadDump

VMLINUX = os.environ.get('SMELT_VMLINUX', str(CACHE / 'dbg/6.1.0-56-amd64/vmlinux-6.1.0-56-amd64'))
TASK = re.compile(r'^([> ]) +(\d+) +(\d+) +(\d+) +([0-9a-f]{16}) +(\w\w) +([\d.]+) +(\d+) +(\d+) +(.+?) *$', re.MULTILINE)
MODULE = re.compile(r'^([0-9a-f]{16})  (\w+) +([0-9a-f]{16}) +(\d+) ', re.MULTILINE)
STACK = re.compile(r'^PID: (\d+) +TASK: ([0-9a-f]{16}) +CPU: (\d+) +COMMAND: "(.*)"$', re.MULTILINE)
FRAME = re.compile(r'^ *#\d+ \[([0-9a-f]{16})\] (\S+) at ([0-9a-f]{16})', re.MULTILINE)
EXCEPTION = re.compile(r'^ +\[exception RIP: (\S+)\+\d+\]\n +RIP: ([0-9a-f]{16})', re.MULTILINE)
#: What drgn says of every task: PID, then addresses from the innermost frame on.
DRGN = '''
import drgn, json, sys
from drgn.helpers.linux.pid import for_each_task
program = drgn.Program()
program.set_core_dump(sys.argv[1])
program.load_debug_info([sys.argv[2]])
stacks = {}
for task in for_each_task(program):
    stacks[task.pid.value_()] = [frame.pc for frame in program.stack_trace(task)]
json.dump(stacks, sys.stdout)
'''


def smelt(*command):
    run = subprocess.run([SMELT, *map(str, command), '--json', '--quiet'], capture_output=True, text=True, timeout=120)
    if run.returncode:
        raise SmeltFailed(f'{" ".join(map(str, command))} exits with {run.returncode}: {run.stdout.strip()[:300]}')
    return json.loads(run.stdout)['report']


def crash_tasks(text):
    return [
        (mark == '>', int(pid), int(ppid), int(cpu), int(task, 16), state, float(share), int(vsz), int(rss), comm)
        for mark, pid, ppid, cpu, task, state, share, vsz, rss, comm in TASK.findall(text)
    ]


def smelt_tasks(report):
    rows = []
    for task in report['tasks']:
        memory = task['memory'] or {'virtualBytes': 0, 'residentBytes': 0}
        share = float(f'{memory["residentBytes"] / report["memoryBytes"] * 100:.1f}')
        comm = f'[{task["comm"]}]' if task['isKernelThread'] else task['comm']
        rows.append((
            task['isRunning'], task['pid'], task['ppid'], task['cpu'], int(task['vaddr'], 16), task['state'],
            share, memory['virtualBytes'] // 1024, memory['residentBytes'] // 1024, comm,
        ))
    return rows


def compare(checks, name, ours, theirs, what, same=lambda one, other: one == other):
    complaints = []
    if not theirs:
        complaints = [f'the peer has no {what}']
    elif len(ours) != len(theirs):
        complaints = [f'{len(ours)} {what} against {len(theirs)}']
    different = [(one, other) for one, other in zip(ours, theirs) if not same(one, other)]
    if different:
        complaints.append(f'{len(different)} {what} differ: {different[0][0]} against {different[0][1]}')
    checks.verdict(name, complaints, f'{len(theirs)} {what} are the same')


def same_task(one, other):
    # crash gives one digit of a share, rounded its own way.
    return one[:6] == other[:6] and abs(one[6] - other[6]) < 0.11 and one[7:] == other[7:]


def crash_stacks(text):
    """Of each stack the addresses in it, that of an interrupted instruction among them where crash has it."""
    heads = list(STACK.finditer(text))
    stacks = []
    for head, after in zip(heads, [*heads[1:], None]):
        body = text[head.end() : after.start() if after else len(text)]
        found = [(m.start(), m[2], int(m[3], 16)) for m in FRAME.finditer(body)]
        # crash has the interrupted function twice where an exception stack ends.
        listed = {address for _, _, address in found}
        found += [(m.start(), m[1], int(m[2], 16)) for m in EXCEPTION.finditer(body) if int(m[2], 16) not in listed]
        stacks.append((int(head[1]), int(head[2], 16), [(name, address) for _, name, address in sorted(found)]))
    return stacks


def smelt_stacks(report):
    return [
        (stack['task']['pid'], int(stack['task']['vaddr'], 16), [(f['name'], int(f['ip'], 16)) for f in stack['frames']])
        for stack in report['stacks']
        if not any(f['isGuess'] for f in stack['frames'])
    ]


def check_crash(checks, name, path, text):
    compare(checks, f'ps {name}, crash', smelt_tasks(smelt('ps', path)), crash_tasks(text), 'tasks', same_task)
    modules = [(int(m['vaddr'], 16), m['name'], int(m['base'], 16), m['sizeBytes']) for m in smelt('mods', path)['modules']]
    theirs = [(int(at, 16), mod, int(base, 16), int(size)) for at, mod, base, size in MODULE.findall(text)]
    compare(checks, f'mods {name}, crash', modules, theirs, 'modules')
    compare(checks, f'bt --all {name}, crash', smelt_stacks(smelt('bt', '--all', path)), crash_stacks(text), 'stacks')


def drgn_stacks(path):
    run = subprocess.run([sys.executable, '-c', DRGN, path, VMLINUX], capture_output=True, text=True, timeout=300)
    if run.returncode:
        return None
    return {int(pid): pcs for pid, pcs in json.loads(run.stdout).items()}


def check_drgn(checks, name, path):
    """The frames from outside in: drgn begins at the registers, smelt below them where the dump has what ran then."""
    theirs = drgn_stacks(path)
    if theirs is None:
        # The page tables of QEMU's dumps are too much for drgn 0.0.22.
        return
    ours = {stack['task']['pid']: stack for stack in smelt('bt', '--tasks', path)['stacks'] if stack['task']['pid'] != 0}
    complaints = [f'PID {pid} is not in both' for pid in sorted(ours.keys() ^ theirs.keys())]
    frames = 0
    for pid in sorted(ours.keys() & theirs.keys()):
        addresses = [int(f['ip'], 16) for f in ours[pid]['frames'] if not f['isGuess']]
        # Functions that were inlined have a frame of their own, and so has user space.
        wanted = [pc for i, pc in enumerate(theirs[pid]) if pc >> 63 and (i == 0 or theirs[pid][i - 1] != pc)]
        if ours[pid]['noted']:
            wanted = wanted[1:]
            addresses = addresses[-len(wanted) :]
        frames += len(wanted)
        if addresses != wanted:
            complaints.append(f'PID {pid}: {[hex(a) for a in addresses]} against {[hex(a) for a in wanted]}')
    checks.verdict(f'bt --tasks {name}, drgn', complaints[:3], f'{len(theirs)} stacks, {frames} frames are the same')


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        stored = FIXTURES / f'{dump.name}.crash.txt'
        if not stored.exists():
            continue
        text = stored.read_text()
        with tempfile.TemporaryDirectory() as scratch:
            try:
                filtered = os.path.join(scratch, 'filtered')
                run_smelt(dump.path, filtered, level=31)
                for name, path in ((dump.name, dump.path), (f'{dump.name} -d 31', filtered)):
                    check_crash(checks, name, path, text)
                if '6.1' in dump.name and os.path.exists(VMLINUX):
                    check_drgn(checks, dump.name, str(dump.path))
            except (BadDump, SmeltFailed) as failure:
                checks.fail(f'tasks {dump.name}', str(failure))
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
