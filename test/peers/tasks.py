#!/usr/bin/env python3
"""tasks.py [--only NAME ...]: do `smelt ps`, `bt` and `mods` say what crash and drgn say?

Both answers are stored (answers/, and beside the fixtures): crash 9.0.2's and drgn 0.3.0's, who had the debug information; smelt has the
dump alone. Of each dump, and of what smelt -d 31 leaves of it.
"""

import os
import re
import sys
import tempfile

from checks import Checks, SmeltFailed, arguments, ask_smelt, crash_says, drgn_says, dumps, run_smelt
from dumpfiles import BadDump

TASK = re.compile(r'^([> ]) +(\d+) +(\d+) +(\d+) +([0-9a-f]{16}) +(\w\w) +([\d.]+) +(\d+) +(\d+) +(.+?) *$', re.MULTILINE)
MODULE = re.compile(r'^([0-9a-f]{16})  (\w+) +([0-9a-f]{16}) +(\d+) ', re.MULTILINE)
STACK = re.compile(r'^PID: (\d+) +TASK: ([0-9a-f]{16}) +CPU: (\d+) +COMMAND: "(.*)"$', re.MULTILINE)
FRAME = re.compile(r'^ *#\d+ \[([0-9a-f]{16})\] (\S+) at ([0-9a-f]{16})', re.MULTILINE)
EXCEPTION = re.compile(r'^ +\[exception RIP: (\S+)\+\d+\]\n +RIP: ([0-9a-f]{16})', re.MULTILINE)
#: crash's stacks lack frames there that drgn's have.
LACKS_FRAMES = 'x86_64-7.3-la57'
#: task_state_to_char() of drgn, in crash's words.
STATES = {'R': 'RU', 'S': 'IN', 'D': 'UN', 'I': 'ID', 'T': 'ST', 't': 'TR', 'X': 'DE', 'Z': 'ZO', 'P': 'PA'}


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


def check_crash(checks, name, path, reports, text):
    compare(checks, f'ps {name}, crash', smelt_tasks(reports['ps']), crash_tasks(text), 'tasks', same_task)
    stacks = smelt_stacks(ask_smelt('bt', '--all', path))
    if LACKS_FRAMES in name:
        print(f'note: bt --all {name}: crash 9.0.2 leaves out a frame of this kernel (cpu_startup_entry) that drgn and smelt have: its others are held against')
        compare(checks, f'bt --all {name}, crash', stacks, crash_stacks(text), 'stacks', same_but_for_left_out)
    else:
        compare(checks, f'bt --all {name}, crash', stacks, crash_stacks(text), 'stacks')
    if 'mod: cannot access' in text:
        print(f'note: mods {name}: crash 9.0.2 cannot look at modules of this kernel, so drgn alone is asked')
        return
    modules = [(int(m['vaddr'], 16), m['name'], int(m['base'], 16), m['sizeBytes']) for m in reports['mods']['modules']]
    theirs = [(int(at, 16), mod, int(base, 16), int(size)) for at, mod, base, size in MODULE.findall(text)]
    compare(checks, f'mods {name}, crash', modules, theirs, 'modules')


def same_but_for_left_out(one, other):
    every = iter(one[2])
    return one[:2] == other[:2] and one[2][0] == other[2][0] and all(frame in every for frame in other[2])


def check_drgn(checks, name, path, reports, said):
    """Tasks and modules field by field, and the stack of every task."""
    bytes_of = lambda task, what: task['memory'][what] if task['memory'] else None  # noqa: E731
    ours = [
        [
            task['vaddr'], task['pid'], task['tgid'], task['ppid'], task['cpu'], task['state'], task['isRunning'],
            bytes_of(task, 'virtualBytes'), bytes_of(task, 'residentBytes'), task['comm'],
        ]
        for task in reports['ps']['tasks']
    ]  # fmt: skip
    # Idle tasks have no parent as crash and smelt see it; who started the CPU as drgn does.
    theirs = [[*task[:3], task[3] if task[1] else 0, task[4], STATES[task[5]], *task[6:]] for task in said['task']]
    compare(checks, f'ps {name}, drgn', sorted(ours), sorted(theirs), 'tasks')
    ours = [
        [module['vaddr'], module['name'], sorted([part['vaddr'], part['sizeBytes']] for part in module['memory']), module['useCount']]
        for module in reports['mods']['modules']
    ]
    theirs = [[vaddr, module, sorted(parts), uses] for vaddr, module, parts, uses in said['module']]
    compare(checks, f'mods {name}, drgn', sorted(ours), sorted(theirs), 'modules')
    check_stacks(checks, f'bt --tasks {name}, drgn', path, said)


def check_stacks(checks, name, path, said):
    """The frames from outside in: drgn begins at the registers, smelt below them where the dump has what ran then."""
    stacks = {stack['task']['vaddr']: stack for stack in ask_smelt('bt', '--tasks', path)['stacks']}
    theirs = dict(said['stack'])
    complaints = [f'task {vaddr} is not in both' for vaddr in sorted(stacks.keys() ^ theirs.keys())]
    frames = 0
    for vaddr in sorted(stacks.keys() & theirs.keys()):
        # What ended gave its stack back: smelt says that it guesses what is left of it, drgn does not mind.
        has_ended = stacks[vaddr]['task']['state'] in ('ZO', 'DE')
        ours = [(f['ip'], f['name'], f['offset']) for f in stacks[vaddr]['frames'] if has_ended or not f['isGuess']]
        wanted = [said['place'][number] for number in theirs[vaddr]]
        if stacks[vaddr]['noted'] and not same_frames(ours, wanted):
            # Where the registers were noted is within a function, of which smelt shows what it went on to call.
            wanted = wanted[1:]
            ours = ours[-len(wanted) :]
        frames += len(wanted)
        if not same_frames(ours, wanted):
            differing = next((pair for pair in zip(ours, wanted) if not same_frames(pair[:1], pair[1:])), (len(ours), len(wanted)))
            complaints.append(f'PID {stacks[vaddr]["task"]["pid"]}: {differing[0]} against {differing[1]}')
    checks.verdict(name, complaints[:3], f'{len(theirs)} stacks, {frames} frames are the same')


def same_frames(ours, theirs):
    """Of several names that an address has drgn tells all."""
    return len(ours) == len(theirs) and all(
        ip == at and name in names and offset == distance for (ip, name, offset), (at, names, distance) in zip(ours, theirs)
    )


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        text, said = crash_says(dump.name), drgn_says(dump.name)
        for peer, answers in (('crash', text), ('drgn', said)):
            if answers is None:
                print(f'note: ps, bt, mods {dump.name}: no answers of {peer} are stored (answers/make.sh)')
        with tempfile.TemporaryDirectory() as scratch:
            try:
                filtered = os.path.join(scratch, 'filtered')
                run_smelt(dump.path, filtered, level=31)
                for name, path in ((dump.name, dump.path), (f'{dump.name} -d 31', filtered)):
                    reports = {command: ask_smelt(command, path) for command in ('ps', 'mods')}
                    if text is not None:
                        check_crash(checks, name, path, reports, text)
                    if said is not None:
                        check_drgn(checks, name, path, reports, said)
            except (BadDump, SmeltFailed) as failure:
                checks.fail(f'tasks {dump.name}', str(failure))
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
