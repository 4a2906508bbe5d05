#!/usr/bin/env python3
"""compare.py DUMP PEER HEADERS: do smelt's and makedumpfile's dumps of one /proc/vmcore hold the same pages, with the same bytes?

HEADERS is the beginning of that /proc/vmcore: it says which memory there is. Every difference must follow from a rule of
docs/notes/differences-from-makedumpfile.md; of a /proc/vmcore that is one: page frames of which only a part is memory are kept by
smelt alone. Prints `ok|FAIL NAME: NOTE` lines.
"""

import os
import pathlib
import struct
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'peers'))

from kdumpfile.exceptions import NotImplementedException  # noqa: E402

from checks import Checks, as_number  # noqa: E402
from dumpfiles import PAGE, BadDump, ElfDump, KdumpFile, bits, runs  # noqa: E402
from pages import decode_pages, read_pages  # noqa: E402


def memory_of(headers):
    """The ELF file with nothing behind its headers: a sparse file of the right length."""
    data = pathlib.Path(headers).read_bytes()
    (phoff,) = struct.unpack_from('<Q', data, 32)
    (phnum,) = struct.unpack_from('<H', data, 56)
    # p_offset and p_filesz of each program header.
    end = max(sum(struct.unpack_from('<8xQ16xQ', data, phoff + 56 * i)) for i in range(phnum))
    with tempfile.NamedTemporaryFile() as whole:
        whole.write(data)
        whole.flush()
        os.truncate(whole.name, max(end, len(data)))
        return ElfDump(whole.name)


def contents(path, output):
    """Yields (pfn, bytes) of every kept page: through libkdumpfile, or through the codec's library where it was built without."""
    for read in (read_pages, decode_pages):
        try:
            for first, data in read(path, output):
                for at in range(0, len(data), PAGE):
                    yield first + at // PAGE, bytes(data[at : at + PAGE])
            return
        except NotImplementedException:
            continue


def pfns(number):
    return bits(number.to_bytes((number.bit_length() + 7) // 8, 'little'))


def told(numbers):
    found = list(runs(numbers))
    return ', '.join(f'{first:#x}+{count}' for first, count in found[:6]) + (f' and {len(found) - 6} more runs' if len(found) > 6 else '')


def compare_choice(ours, theirs, partial):
    """Complaints about the second bitmaps, and the number of pages that the rule explains."""
    kept, peer = as_number(ours.bitmap2), as_number(theirs.bitmap2)
    complaints = []
    more = set(pfns(kept & ~peer))
    if more - partial:
        complaints.append(f'{len(more - partial)} pages kept that the peer drops: {told(sorted(more - partial))}')
    fewer = list(pfns(peer & ~kept))
    if fewer:
        complaints.append(f'{len(fewer)} pages dropped that the peer keeps: {told(fewer)}')
    return complaints, len(more & partial)


def compare_bytes(paths, dumps):
    """Complaints about contents, and how many pages both have."""
    theirs = contents(paths[1], dumps[1])
    peer = next(theirs, None)
    same, wrong = 0, []
    for pfn, page in contents(paths[0], dumps[0]):
        while peer and peer[0] < pfn:
            peer = next(theirs, None)
        if peer and peer[0] == pfn:
            if peer[1] == page:
                same += 1
            else:
                wrong.append(pfn)
    return [f'{len(wrong)} pages have other bytes: {told(wrong)}'] if wrong else [], same


def main():
    paths, headers = sys.argv[1:3], sys.argv[3]
    checks = Checks()
    try:
        dumps = [KdumpFile(path) for path in paths]
        memory = memory_of(headers)
    except (BadDump, OSError, ValueError, struct.error) as cause:
        checks.fail('both dumps can be read', str(cause))
        checks.finish()
    partial = memory.partial_pages()
    complaints, explained = compare_choice(*dumps, partial)
    note = f'{dumps[0].kept} pages kept, of {as_number(memory.bitmap()).bit_count()}'
    checks.verdict('the same pages are kept', complaints, f'{note}; {explained} of them a page of which only a part is memory' if explained else note)
    complaints, same = compare_bytes(paths, dumps)
    if same != dumps[1].kept:
        complaints.append(f'only {same} of the {dumps[1].kept} pages of the peer were compared')
    checks.verdict('every page has the same bytes', complaints, f'{same} pages')
    complaints = []
    free_choice = sum(1 << pfn for pfn in partial)
    if as_number(dumps[0].bitmap1) | free_choice != as_number(memory.bitmap()) | free_choice:
        complaints.append('the first bitmap is not the memory of /proc/vmcore')
    for what in ('vmcoreinfo', 'notes', 'phys_base', 'dump_level', 'max_mapnr', 'nr_cpus'):
        ours, theirs = (getattr(dump, what) for dump in dumps)
        if ours != theirs:
            complaints.append(f'{what} is {str(ours)[:60]}, the peer says {str(theirs)[:60]}')
    checks.verdict('notes, VMCOREINFO and headers are the same', complaints, f'{len(dumps[0].notes)} bytes of notes, {dumps[0].nr_cpus} CPUs')
    checks.finish()


if __name__ == '__main__':
    main()
