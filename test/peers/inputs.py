#!/usr/bin/env python3
"""inputs.py [--only NAME ...]: flattened files and split sets that makedumpfile and QEMU wrote, read by smelt.

makedumpfile writes each dump flattened (kdump-compressed and ELF) and split. smelt must make of them, page for page, what it
makes of the plain file that makedumpfile puts them together to, and `smelt -R` must write that file byte for byte. Of a
guest that QEMU dumped twice, as ELF and flattened, both must have the same memory.
"""

import os
import shutil
import subprocess
import sys
import tempfile

from checks import CACHE, PROJECT, SMELT, Checks, SmeltFailed, arguments, dumps, run_smelt
from count import MAKEDUMPFILE
from dumpfiles import BadDump

#: Dumps that makedumpfile 1.7.2 reads as they are, and whether they are ELF.
READABLE = {
    'x86_64-6.1-small': False,
    'x86_64-6.1-sme': False,
    'x86_64-6.1-proc-vmcore-small': True,
    'x86_64-6.1-proc-vmcore': True,
}
#: Small blocks, so that there are pages in every part.
SPLIT = ('--splitblock-size', '4096', '--split')
REARRANGE_PL = shutil.which('makedumpfile-R.pl')


def makedumpfile(*words, stdin=None, stdout=subprocess.PIPE):
    command = [MAKEDUMPFILE, '--message-level', '4', *map(str, words)]
    run = subprocess.run(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
    if run.returncode:
        raise BadDump(f'{" ".join(command)}: {run.stderr.decode(errors="replace").strip()[:300]}')


def flattened(source, path, *options):
    """The flattened file, and the plain one that makedumpfile puts it together to."""
    with open(path, 'wb') as out:
        makedumpfile('-F', *options, source, stdout=out)
    plain = path + '.plain'
    with open(path, 'rb') as stream:
        makedumpfile('-R', plain, stdin=stream)
    return plain


def rearranged(path, through_pipe):
    """What `smelt -R` makes of it."""
    out = path + '.smelt'
    command = [SMELT, '-f', '-R', out]
    with open(path, 'rb') as stream:
        if through_pipe:
            run = subprocess.run(command, input=stream.read(), capture_output=True)
        else:
            run = subprocess.run(command, stdin=stream, capture_output=True)
    if run.returncode:
        raise SmeltFailed(f'-R exits with {run.returncode}: {run.stderr.decode(errors="replace").strip()[:300]}')
    return out


def same_bytes(one, other):
    return subprocess.run(['cmp', '-s', one, other]).returncode == 0


def differences(one, other):
    """Complaints about two outputs of smelt that are to have the same pages."""
    if one.bitmap1 != other.bitmap1:
        return ['another first bitmap']
    if one.bitmap2 != other.bitmap2:
        return ['another second bitmap']
    wrong = [
        pfn
        for (pfn, *place), (_, *other_place) in zip(one.pages(), other.pages(), strict=True)
        if one.decode(*place) != other.decode(*other_place)
    ]
    return [f'{len(wrong)} pages differ, the first is {wrong[0]:#x}'] if wrong else []


def smelted(sources, scratch, name, level, threads=2):
    """smelt's dump of one input or of several parts."""
    first, *parts = sources
    return run_smelt(first, os.path.join(scratch, name), level=level, threads=threads, parts=parts)[1]


def check_flattened(checks, name, path, plain, scratch, levels=(1, 31)):
    try:
        for level in levels:
            ours, whole = (smelted([source], scratch, f'out{i}', level) for i, source in enumerate((path, plain)))
            checks.verdict(f'{name}, read in place at level {level}', differences(ours, whole), f'{ours.kept} pages')
        complaints = [] if same_bytes(rearranged(path, False), plain) else ['smelt -R of a file writes other bytes']
        if not same_bytes(rearranged(path, True), plain):
            complaints.append('smelt -R of a pipe writes other bytes')
        checks.verdict(f'{name}, by -R', complaints, f'{os.path.getsize(plain):,} bytes')
        if REARRANGE_PL:
            by_perl = path + '.perl'
            with open(path, 'rb') as stream:
                subprocess.run([REARRANGE_PL, by_perl], stdin=stream, check=True, capture_output=True)
            complaints = [] if same_bytes(plain, by_perl) else ['other bytes']
            checks.verdict(f'{name}, by makedumpfile-R.pl', complaints)
        else:
            print(f'note: no makedumpfile-R.pl, so {name} is not held against it')
    except (SmeltFailed, BadDump) as failure:
        checks.fail(name, str(failure))


def check_split(checks, name, source, level, scratch):
    try:
        paths = [os.path.join(scratch, f'part{i}') for i in range(4)]
        whole = os.path.join(scratch, 'whole')
        makedumpfile('-l', '-d', level, *SPLIT, source, *paths)
        # Not the dump that it would have written in one: of a page frame that exists in part, those may say different things.
        makedumpfile('--reassemble', *paths, whole)
        for new in sorted({level, 31}):
            for threads in (1, 2):
                ours = smelted(reversed(paths), scratch, 'ours', new, threads)
                complaints = differences(ours, smelted([whole], scratch, 'theirs', new))
                checks.verdict(f'{name}, its parts read at level {new}, {threads} threads', complaints, f'{ours.kept} pages')
        alone = subprocess.run([SMELT, '-f', paths[0], os.path.join(scratch, 'alone')], capture_output=True, text=True)
        said = ' '.join(alone.stderr.split())
        complaints = [] if alone.returncode else [f'one part alone: {said[:200]}']
        checks.verdict(f'{name}, one part alone is refused', complaints)
    except (SmeltFailed, BadDump) as failure:
        checks.fail(name, str(failure))


def check_qemu(checks):
    """QEMU's two dumps of one guest that stood still."""
    flat, elf = CACHE / 'flattened' / 'qemu.flat', CACHE / 'flattened' / 'qemu.elf'
    if not flat.exists() and shutil.which('qemu-system-x86_64'):
        subprocess.run([PROJECT / 'test' / 'lab' / 'make-flattened.sh'], check=True)
    if not flat.exists():
        print('note: no qemu-system-x86_64, so nothing that QEMU flattened is checked')
        return
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, 'flat')
        shutil.copyfile(flat, path)
        plain = path + '.plain'
        with open(path, 'rb') as stream:
            makedumpfile('-R', plain, stdin=stream)
        check_flattened(checks, "QEMU's flattened dump", path, plain, scratch)
        try:
            ours, theirs = (smelted([source], scratch, f'q{i}', 1) for i, source in enumerate((path, elf)))
            pages = {pfn: place for pfn, *place in theirs.pages()}
            common = [(pfn, place) for pfn, *place in ours.pages() if pfn in pages]
            wrong = [pfn for pfn, place in common if ours.decode(*place) != theirs.decode(*pages[pfn])]
            complaints = [f'{len(wrong)} pages differ, the first is {wrong[0]:#x}'] if wrong else []
            if len(common) != ours.kept:
                complaints.append(f'{ours.kept - len(common)} pages are not in the ELF file')
            checks.verdict("QEMU's flattened dump, beside its ELF file", complaints, f'{len(common)} pages')
        except (SmeltFailed, BadDump) as failure:
            checks.fail("QEMU's flattened dump, beside its ELF file", str(failure))


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        if dump.name not in READABLE:
            continue
        kinds = [('-c', '-d', '1'), ('-l', '-d', '31')] + ([('-E', '-d', '31')] if READABLE[dump.name] else [])
        for kind in kinds:
            name = f'inputs {dump.name} -F {" ".join(kind)}'
            with tempfile.TemporaryDirectory() as scratch:
                path = os.path.join(scratch, 'flat')
                try:
                    plain = flattened(dump.path, path, *kind)
                except BadDump as failure:
                    checks.fail(name, str(failure))
                    continue
                check_flattened(checks, name, path, plain, scratch, (1, 31) if kind[-1] == '1' else (31,))
        for level in (1, 31):
            with tempfile.TemporaryDirectory() as scratch:
                check_split(checks, f'inputs {dump.name} --split -d {level}', dump.path, level, scratch)
    if not options.only:
        check_qemu(checks)
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
