#!/usr/bin/env python3
"""formats.py [--only NAME ...]: what smelt writes besides plain kdump files, read by others: flattened streams, split sets, ELF,
raw and LiME images.

makedumpfile puts streams in order and parts together, and the pages must be those of smelt's plain dump, which the other checks
hold against the source. It filters smelt's ELF files further, and must arrive where it arrives from the original. libkdumpfile and
drgn open what they can; what they cannot is told as a note.
"""

import os
import subprocess
import sys
import tempfile

import drgn
import kdumpfile
from kdumpfile.exceptions import KDumpBaseException

from checks import CODEC_LETTERS, SMELT, Checks, SmeltFailed, arguments, dumps, run_smelt
from dumpfiles import PAGE, ZERO_PAGE, BadDump, ElfDump, KdumpFile, bits
from inputs import differences, makedumpfile, same_bytes

#: Dumps that makedumpfile 1.7.2 reads as they are.
READABLE = ('x86_64-6.1-small', 'x86_64-6.1-sme', 'x86_64-6.1-proc-vmcore-small', 'x86_64-6.1-proc-vmcore')
PARTS = 3
#: Every so many pages one is read by drgn.
STEP = 17


def smelt(*words, stdout=subprocess.PIPE):
    run = subprocess.run([SMELT, '--quiet', *map(str, words)], stdout=stdout, stderr=subprocess.PIPE)
    if run.returncode:
        said = run.stderr.decode(errors='replace').strip().replace('\n', ' | ')
        raise SmeltFailed(f'{" ".join(map(str, words))} exits with {run.returncode}: {said[:300]}')


class Case:
    """One dump: its plain output at level 31, and a folder for the others."""

    def __init__(self, checks, dump, scratch):
        self.checks = checks
        self.dump = dump
        self.scratch = scratch
        self.plain = run_smelt(dump.path, self.path('plain'), level=31)[1]
        self.kept = {pfn: place for pfn, *place in self.plain.pages()}

    def path(self, name):
        return os.path.join(self.scratch, name)

    def check(self, what, work):
        name = f'formats {self.dump.name} {what}'
        try:
            complaints, note = work()
            self.checks.verdict(name, complaints, note)
        except (SmeltFailed, BadDump, KDumpBaseException, ValueError, drgn.FaultError) as failure:
            self.checks.fail(name, f'{type(failure).__name__}: {failure}')

    def page(self, pfn):
        """As it has to be in every output; None where it was left out."""
        return self.plain.decode(*self.kept[pfn]) if pfn in self.kept else None

    def streamed(self, *options):
        path = self.path('stream')
        with open(path, 'wb') as out:
            smelt('-F', '-d', 31, *options, self.dump.path, stdout=out)
        return path

    def rearranged(self, stream):
        out = self.path('rearranged')
        with open(stream, 'rb') as file:
            makedumpfile('-f', '-R', out, stdin=file)
        return out

    def stream_of_codec(self, codec, threads):
        letter = [CODEC_LETTERS[codec]] if CODEC_LETTERS[codec] else []
        stream = self.streamed(*letter, '--num-threads', threads)
        output = KdumpFile(self.rearranged(stream))
        return differences(output, self.plain), f'{output.kept} pages'

    def stream_of_elf(self, elf):
        stream = self.streamed('-E', '--num-threads', 2)
        complaints = [] if same_bytes(self.rearranged(stream), elf) else ['it is not the file that -E writes']
        return complaints, f'{os.path.getsize(elf):,} bytes'

    def parts(self, codec, dedup):
        paths = [self.path(f'part{i}') for i in range(PARTS)]
        smelt('-f', '-d', 31, CODEC_LETTERS[codec], *dedup, '--split', self.dump.path, *paths)
        whole = self.path('reassembled')
        makedumpfile('-f', '--reassemble', *paths, whole)
        output = KdumpFile(whole)
        sizes = [os.path.getsize(path) for path in paths]
        apart = max(abs(size * PARTS / sum(sizes) - 1) for size in sizes)
        complaints = differences(output, self.plain)
        grown = os.path.getsize(whole) / os.path.getsize(self.joined(paths)) - 1
        complaints += [f'makedumpfile makes it {grown:.0%} larger than smelt'] if grown > 0.01 and not dedup else []
        complaints += [f'its parts are up to {apart:.0%} larger or smaller than the mean'] if apart > 0.15 else []
        return complaints, f'{output.kept} pages, parts up to {apart:.1%} apart from the mean'

    def joined(self, paths):
        whole = self.path('joined')
        smelt('-f', '--reassemble', *paths, whole)
        return whole

    def elf_pages(self, elf):
        """Through the reader beside this file: kept pages as they were, all other memory zeros."""
        output, source = ElfDump(elf), self.dump.source()
        wrong = [pfn for pfn in bits(self.plain.bitmap1) if output.page(pfn) != (self.page(pfn) or ZERO_PAGE)]
        complaints = [f'{len(wrong)} pages are wrong, the first is {wrong[0]:#x}'] if wrong else []
        complaints += [] if output.notes == source.notes else ['the notes are not those of the source']
        return complaints, f'{len(self.kept)} pages, {len(output.segments)} segments'

    def elf_refiltered(self, elf):
        """makedumpfile's level 31 of our ELF file and of the original."""
        ours, theirs = self.path('ours'), self.path('theirs')
        makedumpfile('-f', '-l', '-d', 31, elf, ours)
        makedumpfile('-f', '-l', '-d', 31, self.dump.path, theirs)
        one, other = KdumpFile(ours), KdumpFile(theirs)
        found = {pfn: place for pfn, *place in one.pages()}
        # Pages of zeros are not in our file: they may be gone, or there as zeros.
        wrong = []
        for pfn, *place in other.pages():
            page = other.decode(*place)
            if page != (one.decode(*found[pfn]) if pfn in found else ZERO_PAGE):
                wrong.append(pfn)
        more = found.keys() - set(bits(other.bitmap2))
        complaints = [f'{len(wrong)} pages differ, the first is {wrong[0]:#x}'] if wrong else []
        complaints += [f'{len(more)} pages more, the first is {min(more):#x}'] if more else []
        return complaints, f'{other.kept} pages'

    def elf_beside(self, elf):
        """makedumpfile -E of the same input: what both keep must be the same, and it keeps what we keep."""
        theirs = self.path('theirs.elf')
        makedumpfile('-f', '-E', '-d', 31, self.dump.path, theirs)
        output = ElfDump(theirs)
        wrong = []
        for pfn in self.kept:
            page = self.page(pfn)
            if page != (output.page(pfn) or ZERO_PAGE) and pfn * PAGE not in self.partial:
                wrong.append(pfn)
        complaints = [f'{len(wrong)} pages differ, the first is {wrong[0]:#x}'] if wrong else []
        return complaints, f'{os.path.getsize(elf):,} bytes, makedumpfile {os.path.getsize(theirs):,}'

    @property
    def partial(self):
        return {pfn * PAGE for pfn in self.dump.source().partial_pages()}

    def raw(self):
        path = self.path('raw')
        smelt('-f', '--to', 'raw', '-d', 31, self.dump.path, path)
        with open(path, 'rb') as file:
            wrong = []
            for pfn in range(self.plain.max_mapnr):
                if file.read(PAGE) != (self.page(pfn) or ZERO_PAGE):
                    wrong.append(pfn)
            complaints = [f'{len(wrong)} pages are wrong, the first is {wrong[0]:#x}'] if wrong else []
            complaints += ['there is more behind the memory'] if file.read(1) else []
        return complaints, f'{self.plain.max_mapnr} page frames'

    def lime(self):
        path = self.path('lime')
        smelt('-f', '--to', 'lime', '-d', 31, self.dump.path, path)
        wrong, seen = [], set()
        with open(path, 'rb') as file:
            while header := file.read(32):
                if header[:8] != b'EMiL\1\0\0\0':
                    return [f'no header at byte {file.tell() - 32}'], ''
                start, last = (int.from_bytes(header[at : at + 8], 'little') for at in (8, 16))
                for pfn in range(start // PAGE, (last + 1) // PAGE):
                    seen.add(pfn)
                    if file.read(PAGE) != (self.page(pfn) or ZERO_PAGE):
                        wrong.append(pfn)
        complaints = [f'{len(wrong)} pages are wrong, the first is {wrong[0]:#x}'] if wrong else []
        complaints += [] if seen == set(bits(self.plain.bitmap1)) else ['its ranges are not the memory']
        return complaints, f'{len(seen)} pages'

    def through_libkdumpfile(self, path):
        reader = kdumpfile.kdumpfile(path)
        # Pages of zeros are not in an ELF file.
        checked = [pfn for pfn in self.kept if self.page(pfn) != ZERO_PAGE]
        wrong = [pfn for pfn in checked if reader.read(kdumpfile.KDUMP_MACHPHYSADDR, pfn * PAGE, PAGE) != self.page(pfn)]
        return [f'{len(wrong)} pages differ, the first is {wrong[0]:#x}'] if wrong else [], f'{len(checked)} pages'

    def through_drgn(self, path):
        program = drgn.Program()
        program.set_core_dump(path)
        if not program.flags & drgn.ProgramFlags.IS_LINUX_KERNEL:
            return ['drgn does not take it for a kernel dump'], ''
        checked = [pfn for pfn in list(self.kept)[::STEP] if self.page(pfn) != ZERO_PAGE]
        wrong = [pfn for pfn in checked if program.read(pfn * PAGE, PAGE, True) != self.page(pfn)]
        return [f'{len(wrong)} pages differ, the first is {wrong[0]:#x}'] if wrong else [], f'{len(checked)} pages looked at'


def try_openers(case, what, path):
    """What cannot be opened at all is a note, what opens has to be right."""
    for peer, work in (('libkdumpfile', case.through_libkdumpfile), ('drgn', case.through_drgn)):
        try:
            complaints, note = work(path)
        except (KDumpBaseException, ValueError, drgn.FaultError, OSError) as refused:
            print(f'note: {peer} does not read {what} of {case.dump.name}: {type(refused).__name__}: {refused}')
            continue
        case.checks.verdict(f'formats {case.dump.name} {what} through {peer}', complaints, note)


def check(checks, dump, scratch):
    case = Case(checks, dump, scratch)
    elf = case.path('elf')
    smelt('-f', '-E', '-d', 31, dump.path, elf)
    case.check('-E', lambda: case.elf_pages(elf))
    try_openers(case, '-E', elf)
    for number, codec in enumerate(CODEC_LETTERS):
        threads = 1 + number % 4
        case.check(f'-F {codec}, {threads} threads, through makedumpfile -R', lambda: case.stream_of_codec(codec, threads))
    case.check('-F -E, through makedumpfile -R', lambda: case.stream_of_elf(elf))
    try_openers(case, '-F -c', case.streamed('-c'))
    try_openers(case, '-F -E', case.streamed('-E'))
    for codec, dedup in (('zlib', ()), ('lzo', ('--dedup',))):
        what = ' '.join(['--split', codec, *dedup])
        case.check(f'{what}, through makedumpfile --reassemble', lambda: case.parts(codec, dedup))
    case.check('--to raw', case.raw)
    case.check('--to lime', case.lime)
    if dump.name in READABLE:
        case.check('-E, then makedumpfile -d 31', lambda: case.elf_refiltered(elf))
        if dump.path.suffix == '.elf':
            case.check('-E beside makedumpfile -E', lambda: case.elf_beside(elf))


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                check(checks, dump, scratch)
            except SmeltFailed as failure:
                checks.fail(f'formats {dump.name}', str(failure))
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
