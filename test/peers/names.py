#!/usr/bin/env python3
"""names.py [--only NAME ...]: what smelt takes from a vmlinux, held against makedumpfile and against the dumps of that very kernel.

- `-g`: each value is makedumpfile's, and that of the dump's own VMCOREINFO.
- A dump whose VMCOREINFO was blanked, its note alone or in memory too, is filtered with -x and -i as the whole one is.
- `--config`: the same bytes are erased, and the same is said of it; crash opens the result.

Needs the vmlinux that crash.sh fetches ($SMELT_CACHE/dbg, or SMELT_VMLINUX) and Debian sid's makedumpfile
(bench/get-makedumpfile.sh); without them nothing is checked, and a line says so.
"""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

from checks import CACHE, NEWER_MAKEDUMPFILE, PROJECT, SMELT, Checks, arguments, dumps
from dumpfiles import PAGE, BadDump, KdumpFile, vmcoreinfo_of

RELEASE = '6.1.0-56-amd64'
VMLINUX = pathlib.Path(os.environ.get('SMELT_VMLINUX', CACHE / 'dbg' / RELEASE / f'vmlinux-{RELEASE}'))
CONFIG = pathlib.Path(__file__).with_name('erase.conf')
CRASH = os.environ.get('CRASH', 'crash')
DUMPS = ('x86_64-6.1-4level', 'x86_64-6.1-proc-vmcore')

#: makedumpfile takes the length from a declaration that has none, and writes a constant of its own.
ITS_MISTAKES = {'LENGTH(node_data)'}
#: Only for kernels of architectures that have a pud_t of their own or not: smelt does not ask.
NOT_ASKED = {'SRCFILE(pud_t)'}
#: What only a kernel that runs can say, or macros that no debug information has.
OF_A_RUN = re.compile(
    r'SYMBOL|KERNELOFFSET|CRASHTIME|BUILD-ID|LENGTH\(mem_section\)'
    r'|NUMBER\((phys_base|pgtable_l5_enabled|sme_mask|KERNEL_IMAGE_SIZE|SECTION_SIZE_BITS|MAX_PHYSMEM_BITS)\)'
)


class Failed(Exception):
    pass


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, errors='replace')
    if done.returncode:
        said = (done.stderr + done.stdout).strip().replace('\n', ' | ')
        raise Failed(f'{" ".join(map(str, command))} exits with {done.returncode}: {said[-300:]}')
    return done.stdout + done.stderr


def values(text):
    pairs = [line.split('=', 1) for line in text.split('\n') if '=' in line]
    return dict(reversed(pairs))


def check_generated(checks, generated, peers):
    ours, theirs = values(generated.read_text()), values(peers.read_text())
    wanted = set(theirs) - NOT_ASKED
    complaints = [f'lacks {key}' for key in sorted(wanted - set(ours))]
    complaints += [
        f'{key}={ours[key]} against {theirs[key]}'
        for key in sorted(wanted & set(ours) - ITS_MISTAKES)
        if ours[key] != theirs[key]
    ]
    checks.verdict('names -g makedumpfile', complaints, f'{len(wanted)} of its values, and {len(set(ours) - wanted)} more')


def check_note(checks, dump, generated):
    ours, note = values(generated.read_text()), values(vmcoreinfo_of(dump.source().notes).split(b'\0')[0].decode())
    wanted = {key for key in note if not OF_A_RUN.match(key)}
    complaints = [f'lacks {key}' for key in sorted(wanted - set(ours))]
    complaints += [f'{key}={ours[key]} against {note[key]}' for key in sorted(wanted & set(ours)) if ours[key] != note[key]]
    moved = int(note['KERNELOFFSET'], 16)
    symbols = [key for key in note if key.startswith('SYMBOL') and key in ours and key != 'SYMBOL(mem_section)']
    complaints += [f'{key} is elsewhere' for key in symbols if int(ours[key], 16) + moved != int(note[key], 16)]
    checks.verdict(f'names -g {dump.name}', complaints, f'{len(wanted)} values and {len(symbols)} symbols of its note')


def blank(source, target, all_of_them):
    """A copy in which the note says nothing, or no VMCOREINFO in memory does."""
    shutil.copyfile(source, target)
    with open(target, 'r+b') as file:
        data = file.read()
        at = data.find(b'VMCOREINFO\0\0OSRELEASE=')
        while at >= 0:
            end = data.index(b'\0', at + 12)
            file.seek(at)
            file.write(b'X' * (end - at))
            at = data.find(b'VMCOREINFO\0\0OSRELEASE=', end) if all_of_them else -1


def check_blanked(checks, dump, generated, peers, work):
    whole, out = work / 'whole', work / 'out'
    run(SMELT, '-l', '-d', '31', '-f', dump.path, whole)
    expected = KdumpFile(whole).bitmap2
    ways = {
        'note': {'-x VMLINUX': ('-x', VMLINUX), '-i of smelt': ('-i', generated), '-i of makedumpfile': ('-i', peers)},
        'memory too': {'-x VMLINUX': ('-x', VMLINUX), '-i of smelt': ('-i', generated)},
    }
    for where, options in ways.items():
        blanked = work / 'blanked'
        blank(dump.path, blanked, where == 'memory too')
        for name, option in options.items():
            try:
                run(SMELT, '-l', '-d', '31', '-f', *option, blanked, out)
                output = KdumpFile(out)
                complaints = [] if output.bitmap2 == expected else ['other pages are kept than of the whole dump']
                checks.verdict(f'names {dump.name} blanked: {where}, {name}', complaints, f'{output.kept} pages')
            except (Failed, BadDump) as cause:
                checks.fail(f'names {dump.name} blanked: {where}, {name}', cause)
        blanked.unlink()


def erase_info(path):
    data = KdumpFile(path).map
    offset, size = struct.unpack_from('<QQ', data, PAGE + 64)
    return data[offset : offset + size].decode()


def check_erased(checks, dump, work):
    """Every page as makedumpfile wrote it, every rule reported as makedumpfile reports it; a thing that two rules name counts for both."""
    name = f'names {dump.name} --config'
    source, ours, theirs = dump.path, work / 'ours', work / 'theirs'
    if dump.name.endswith('4level'):
        # makedumpfile cannot read QEMU's ELF files as they are.
        source = work / 'normal'
        run(sys.executable, PROJECT / 'test/lab/elf-normalize.py', dump.path, source)
    run(NEWER_MAKEDUMPFILE, '-l', '-d', '31', '-f', '--config', CONFIG, '-x', VMLINUX, source, theirs)
    run(SMELT, '-l', '-d', '31', '-f', '--config', CONFIG, '-x', VMLINUX, dump.path, ours)
    mine, peer, original = KdumpFile(ours), KdumpFile(theirs), dump.source()
    peers = {pfn: place for pfn, *place in peer.pages()}
    differ, changed, seen = [], 0, 0
    for pfn, *place in mine.pages():
        if pfn not in peers:
            continue
        seen += 1
        page = mine.decode(*place)
        changed += page != original.page(pfn)
        if page != peer.decode(*peers[pfn]):
            differ.append(pfn)
    complaints = [f'{len(differ)} pages differ, the first is {differ[0]:#x}'] if differ else []
    if not changed:
        complaints.append('nothing was erased')
    said = [set(erase_info(path).splitlines()) for path in (ours, theirs)]
    if said[0] != said[1]:
        complaints.append(f'erase info: {sorted(said[0] ^ said[1])[:4]}')
    checks.verdict(name, complaints, f'{changed} of {seen} pages were changed, {len(said[0])} kinds of lines of erase info')


#: What crash can do without: of more it fails, as it warns, whoever erased it.
SPARING = 'erase init_uts_ns.name.nodename\nfor t in init_task.tasks within task_struct:tasks\n  erase t.comm\nendfor\n'


def check_crash(checks, dump, work):
    name = f'names {dump.name} --config, crash'
    if shutil.which(CRASH) is None:
        print(f'note: no {CRASH}, so it is not asked about erased data')
        return
    config, commands, out = work / 'sparing.conf', work / 'commands', work / 'out'
    config.write_text(SPARING)
    commands.write_text('help -D\nquit\n')
    run(SMELT, '-l', '-d', '31', '-f', '--config', config, '-x', VMLINUX, dump.path, out)
    said = run('timeout', '300', CRASH, VMLINUX, out, '-i', commands)
    complaints = [] if 'Kernel data has been erased from this dumpfile' in said else ['it does not warn of erased data']
    complaints += [] if re.search(r'NODENAME: X{64}', said) else ['the name of the machine is not erased']
    size = re.search(r'size_eraseinfo: (\d+)', said)
    complaints += [] if size and int(size[1]) == len(erase_info(out)) else ['it sees no erase info, or another']
    checks.verdict(name, complaints, f'it sees {size and size[1]} bytes of erase info')


def main():
    wanted = arguments(__doc__).parse_args().only or DUMPS
    missing = [str(path) for path in (VMLINUX, NEWER_MAKEDUMPFILE) if not path.exists()]
    if missing:
        print(f'note: no {" and no ".join(missing)}, so names from a vmlinux are not checked (crash.sh and bench/get-makedumpfile.sh fetch them)')
        return
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        generated, peers = work / 'vmcoreinfo', work / 'vmcoreinfo-peer'
        run(SMELT, '-f', '-g', generated, '-x', VMLINUX)
        run(NEWER_MAKEDUMPFILE, '-f', '-g', peers, '-x', VMLINUX)
        check_generated(checks, generated, peers)
        for dump in dumps([name for name in wanted if name in DUMPS]):
            check_note(checks, dump, generated)
            try:
                check_blanked(checks, dump, generated, peers, work)
                check_erased(checks, dump, work)
                check_crash(checks, dump, work)
            except (Failed, BadDump) as cause:
                checks.fail(f'names {dump.name}', cause)
    checks.finish()


if __name__ == '__main__':
    main()
