#!/usr/bin/env python3
"""pages.py [--only NAME ...]: reads smelt's outputs back through libkdumpfile and compares every page with its source.

A kept page must come back as it was; a page that was in memory and is not kept must answer "no data". The same dump is made
with every codec, with native and portable makers and with several numbers of threads, and must always hold the same pages.
Where libkdumpfile was built without a codec, the system's library of that codec is called instead, and the line says so.
"""

import hashlib
import os
import sys
import tempfile

import kdumpfile
from kdumpfile.exceptions import KDumpBaseException, NoDataException, NotImplementedException

from checks import CODEC_LETTERS, Checks, SmeltFailed, arguments, as_number, dumps, run_smelt
from dumpfiles import DECODERS, PAGE, BadDump, bits, runs, vmcoreinfo_of

FLAG_OF = {'raw': 0} | {name: flag for flag, (name, _) in DECODERS.items()}
READ_AT_ONCE = 256  # pages
HOLE_STEP = 509  # every so many page frames of a hole are asked for

#: (dump, dump level, codecs, threads): the reference is the first codec with two threads.
MATRIX = [
    ('x86_64-6.1-small', 0, ['zlib', 'raw', 'lzo', 'snappy', 'zstd'], [2]),
    ('x86_64-6.1-small', 31, ['lzo'], [0, 1, 2, 4]),
    ('x86_64-6.1-sme', 31, ['zlib'], [2]),
    ('x86_64-6.1-4level', 31, ['zlib', 'raw', 'lzo', 'snappy', 'zstd'], [0, 1, 2, 4]),
    ('x86_64-5.10-4level', 31, ['zlib'], [2]),
    ('x86_64-6.1-proc-vmcore', 31, ['zstd', 'zlib'], [2]),
    ('x86_64-6.1-proc-vmcore-small', 31, ['zlib', 'zstd'], [0, 2]),
    ('x86_64-6.12-la57', 1, ['zstd'], [2]),
    ('x86_64-7.3-la57', 31, ['lzo'], [2]),
]


def read_pages(path, output):
    """Yields (first page frame, the bytes of a run of kept pages), through libkdumpfile."""
    reader = kdumpfile.kdumpfile(str(path))
    for first, count in runs(bits(output.bitmap2)):
        for pfn in range(first, first + count, READ_AT_ONCE):
            pages = min(READ_AT_ONCE, first + count - pfn)
            yield pfn, reader.read(kdumpfile.KDUMP_MACHPHYSADDR, pfn * PAGE, pages * PAGE)


def decode_pages(_path, output):
    """The same through the codec's own library."""
    for pfn, offset, size, flags in output.pages():
        yield pfn, output.decode(offset, size, flags)


def compare_pages(path, output, source, read):
    """Complaints, and one digest of all pages in order."""
    digest = hashlib.sha256()
    wrong = []
    seen = 0
    for first, data in read(path, output):
        expected = [source.page(pfn) or b'' for pfn in range(first, first + len(data) // PAGE)]
        seen += len(expected)
        if bytes(data) != b''.join(expected):
            wrong += [first + i for i, page in enumerate(expected) if data[i * PAGE : (i + 1) * PAGE] != page]
        digest.update(data)
    complaints = [f'{len(wrong)} pages differ from the source, the first is {wrong[0]:#x}'] if wrong else []
    if seen != output.kept:
        complaints.append(f'{seen} of {output.kept} pages came back')
    return complaints, digest.hexdigest()


def digest_pages(path, output):
    digest = hashlib.sha256()
    for _, data in read_pages(path, output):
        digest.update(data)
    return digest.hexdigest()


def compare_excluded(path, output):
    """Every page that was dropped must answer "no data"; so must holes."""
    reader = kdumpfile.kdumpfile(str(path))
    present, kept = as_number(output.bitmap1), as_number(output.bitmap2)
    gone = present & ~kept
    hole = set(range(0, output.max_mapnr, HOLE_STEP))
    asked = [pfn for pfn in bits(gone.to_bytes(len(output.bitmap1), 'little'))]
    asked += [pfn for pfn in hole if not present >> pfn & 1]
    answers = []
    for pfn in asked:
        try:
            reader.read(kdumpfile.KDUMP_MACHPHYSADDR, pfn * PAGE, PAGE)
            answers.append(f'page frame {pfn:#x} is not kept and answers with data')
        except NoDataException:
            continue
        except KDumpBaseException as answer:
            answers.append(f'page frame {pfn:#x} is not kept and answers {type(answer).__name__}')
    return [f'{answers[0]} (and {len(answers) - 1} more)'] if answers else []


def compare_header(output, source, level, codec):
    complaints = []
    phys_base = next((line for line in output.vmcoreinfo.splitlines() if line.startswith(b'NUMBER(phys_base)=')), b'=0')
    if int(phys_base.split(b'=')[1]) != output.phys_base:
        complaints.append(f'phys_base is {output.phys_base} in the sub header and {phys_base.decode()} in VMCOREINFO')
    if output.dump_level != level:
        complaints.append(f'dump_level is {output.dump_level}')
    if output.vmcoreinfo != vmcoreinfo_of(source.notes):
        complaints.append('VMCOREINFO is not that of the source')
    if output.notes != source.notes:
        complaints.append('the notes are not those of the source')
    if output.utsname.split(b'\0')[0] != b'Linux':
        complaints.append(f'utsname.sysname is {output.utsname.split(bytes(1))[0]!r}')
    # A page of which only a part is memory may be there (the rest reads as zeros) or not (makedumpfile leaves it out).
    free_choice = sum(1 << pfn for pfn in source.partial_pages())
    if as_number(output.bitmap1) | free_choice != as_number(source.bitmap()) | free_choice:
        complaints.append('the first bitmap is not the memory of the source')
    flags = {flag for *_, flag in output.pages()}
    if not flags <= {0, FLAG_OF[codec]} or FLAG_OF[codec] not in flags:
        complaints.append(f'page flags are {sorted(flags)}')
    if output.status & 0x27 != FLAG_OF[codec] or output.status & ~0x27:
        complaints.append(f'status is {output.status:#x}')
    return complaints


def check_whole(checks, name, path, output, source, level, codec):
    """Everything there is to ask of one output. Returns the digest of its pages."""
    complaints = compare_header(output, source, level, codec)
    reader = 'libkdumpfile'
    try:
        wrong, digest = compare_pages(path, output, source, read_pages)
    except NotImplementedException:
        reader = f"the system's {codec} library"
        wrong, digest = compare_pages(path, output, source, decode_pages)
    complaints += wrong + compare_excluded(path, output)
    checks.verdict(name, complaints, f'{output.kept} pages through {reader}')
    return digest


def check_same(checks, name, path, output, reference):
    bitmap2, digest = reference
    complaints = [] if output.bitmap2 == bitmap2 else ['it keeps other pages']
    complaints += [] if digest_pages(path, output) == digest else ['its pages have other contents']
    checks.verdict(name, complaints, 'the same pages')


def variants(codecs, threads):
    """(codec, maker, threads); first those that are compared page by page with the source."""
    main = 2 if 2 in threads else threads[0]
    yield from ((codec, None, main, True) for codec in codecs)
    yield from ((codec, None, number, False) for codec in codecs for number in threads if number != main)
    if len(codecs) > 1:
        yield from ((codec, maker, main, False) for codec in codecs if codec != 'raw' for maker in ('native', 'portable'))


def check_row(checks, dump, level, codecs, threads):
    source = dump.source()
    reference = None
    for codec, maker, number, whole in variants(codecs, threads):
        letter = CODEC_LETTERS[codec] or 'raw'
        name = f'pages {dump.name} -d {level} {letter} {number} threads' + (f' {maker}' if maker else '')
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, 'out')
            try:
                _, output = run_smelt(dump.path, path, level=level, codec=codec, threads=number, maker=maker)
                if whole:
                    digest = check_whole(checks, name, path, output, source, level, codec)
                    reference = reference or (output.bitmap2, digest)
                if not whole or (output.bitmap2, digest) != reference:
                    check_same(checks, name, path, output, reference)
            except (SmeltFailed, BadDump, KDumpBaseException) as failure:
                checks.fail(name, f'{type(failure).__name__}: {failure}')


def main():
    parser = arguments(__doc__.split('\n')[0])
    parser.add_argument('--codecs', nargs='+', choices=list(CODEC_LETTERS), help='check these codecs only')
    options = parser.parse_args()
    checks = Checks()
    found = {dump.name: dump for dump in dumps(options.only)}
    for name, level, codecs, threads in MATRIX:
        chosen = [codec for codec in codecs if not options.codecs or codec in options.codecs]
        if name in found and chosen:
            check_row(checks, found[name], level, chosen, threads)
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
