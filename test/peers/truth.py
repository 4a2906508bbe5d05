#!/usr/bin/env python3
"""truth.py [--only NAME ...]: holds smelt's choice of pages against makedumpfile's, page by page.

For each dump and each dump level: the second bitmap of smelt's output against that of the ground truth, and the numbers of
its --json report against those of makedumpfile's report. A difference is a failure, unless KNOWN explains it.
"""

import base64
import dataclasses
import os
import sys
import tempfile
import zlib

from checks import LEVELS, Checks, SmeltFailed, arguments, as_number, dumps, run_smelt
from dumpfiles import ZERO_PAGE, bits, count_bits, runs

#: Classes whose pages leave the dump; the peer counts the same pages under the same names.
DROPPED = ('cache', 'cachePrivate', 'user', 'free', 'hwpoison', 'offline')


@dataclasses.dataclass
class Known:
    """Page frames [first, end) that smelt keeps and the peer does not."""

    #: How the dump's name begins; of any dump when it is None.
    dump: str | None
    first: int
    end: int
    what: str
    reason: str
    #: The class under which the peer counts them, where it counts them.
    peer_class: str | None = None
    levels: tuple = LEVELS


KNOWN = [
    Known(
        None, 0xFFFC0, 0x100000, 'firmware ROM',
        'QEMU dumps its ROM below 4 GiB; no memory section of the kernel covers it, and makedumpfile cuts its bitmaps behind '
        'the last section. smelt cannot decide such pages, so it keeps them.',
    ),
    Known(
        'x86_64-6.1-proc-vmcore', 0x9F, 0xA0, 'a page of which 3 KiB are memory',
        'The first segment ends at 0x9fc00. makedumpfile leaves out a page that is not wholly in the dump; smelt keeps it, with '
        'zeros for the rest.',
    ),
]  # fmt: skip


def explained(dump, level, pfn):
    for known in KNOWN:
        if dump.name.startswith(known.dump or '') and level in known.levels and known.first <= pfn < known.end:
            return known
    return None


def told(pfns):
    found = list(runs(pfns))
    text = ', '.join(f'{first:#x}+{count}' for first, count in found[:6])
    return text + (f' and {len(found) - 6} more runs' if len(found) > 6 else '')


def compare_bitmaps(dump, level, output, truth):
    """Complaints, and the page frames of each known difference."""
    ours = as_number(output.bitmap2)
    theirs = as_number(zlib.decompress(base64.b64decode(truth['bitmap2ZlibBase64'])))
    complaints, known, unknown = [], {}, []
    for pfn in pages_of(ours & ~theirs):
        difference = explained(dump, level, pfn)
        if difference:
            known.setdefault(difference.what, (difference, []))[1].append(pfn)
        else:
            unknown.append(pfn)
    if unknown:
        complaints.append(f'{len(unknown)} pages kept that the peer drops: {told(unknown)}')
    dropped = list(pages_of(theirs & ~ours))
    if dropped:
        complaints.append(f'{len(dropped)} pages dropped that the peer keeps: {told(dropped)}')
    return complaints, list(known.values())


def pages_of(number):
    return bits(number.to_bytes((number.bit_length() + 7) // 8, 'little'))


def compare_counts(level, report, output, truth, known, source):
    classes, pages = report['classes'], truth['pages']
    expected = {name: pages[name] for name in DROPPED}
    expected['zero'] = pages['zero']
    for difference, pfns in known:
        if difference.peer_class:
            expected[difference.peer_class] -= len(pfns)
        if level & 1:
            expected['zero'] += sum(source.page(pfn) == ZERO_PAGE for pfn in pfns)
    complaints = [
        f'{name}: {classes[name]} pages, the peer counts {count}'
        for name, count in expected.items()
        if classes[name] != count
    ]
    kept = sum(classes[name] for name in ('kernel', 'undecided', 'zero'))
    present = count_bits(output.bitmap1)
    for what, said, is_so in (
        ('keptPages', report['keptPages'], output.kept),
        ('kernel + undecided + zero', kept, output.kept),
        ('totalPages', report['totalPages'], present),
        ('the sum of classes', sum(classes.values()), present),
    ):
        if said != is_so:
            complaints.append(f'{what} is {said}, the file has {is_so}')
    return complaints


def main():
    options = arguments(__doc__.split('\n')[0]).parse_args()
    checks = Checks()
    for dump in dumps(options.only):
        source = dump.source()
        for level in LEVELS:
            name = f'truth {dump.name} -d {level}'
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    report, output = run_smelt(dump.path, os.path.join(scratch, 'out'), level=level)
                except SmeltFailed as failure:
                    checks.fail(name, str(failure))
                    continue
            truth = dump.truth['levels'][str(level)]
            complaints, known = compare_bitmaps(dump, level, output, truth)
            if report:
                complaints += compare_counts(level, report, output, truth, known, source)
            notes = [f'{output.kept} pages kept']
            notes += [f'{len(pfns)} of them {difference.what}, which the peer drops' for difference, pfns in known]
            notes += [] if report else ['no --json report: counts not compared']
            checks.verdict(name, complaints, ', '.join(notes))
    checks.finish()


if __name__ == '__main__':
    sys.exit(main())
