#!/usr/bin/env python3
"""makedumpfile-as-smelt.py: takes smelt's command line and has makedumpfile do the work.

For trying the checks themselves: SMELT_BIN=test/peers/makedumpfile-as-smelt.py. Env SABOTAGE spoils the output as named, so
that the checks can be seen to fail. Knows the codecs and kernels that makedumpfile knows.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import struct
import subprocess
import sys
import tempfile

from checks import NEWER_MAKEDUMPFILE
from count import MAKEDUMPFILE, REPORT
from dumpfiles import PAGE, KdumpFile, bits, count_bits

LAB = pathlib.Path(__file__).resolve().parent.parent / 'lab'


def flip_data(file, dump):
    """One bit of the data of a page that is not zero."""
    _, offset, size, _ = next(page for page in list(dump.pages())[dump.kept // 2 :] if 100 < page[2] < PAGE)
    file.seek(offset + size // 2)
    byte = file.read(1)[0]
    file.seek(offset + size // 2)
    file.write(bytes([byte ^ 0x10]))


def swap_pages(file, dump):
    """The descriptors of two neighbours that differ are exchanged: the file is sound, its pages are not."""
    pages = list(dump.pages())
    at = next(i for i in range(dump.kept // 2, dump.kept - 1) if pages[i][1:] != pages[i + 1][1:])
    file.seek(dump.descriptors + 24 * at)
    both = file.read(48)
    file.seek(dump.descriptors + 24 * at)
    file.write(both[24:] + both[:24])


def drop_page(file, dump):
    """A kept page loses its bit and its descriptor."""
    pfn = list(bits(dump.bitmap2))[dump.kept // 2]
    _set_bit(file, dump, pfn, 0)
    table = dump.map[dump.descriptors : dump.data_start]
    index = dump.kept // 2
    file.seek(dump.descriptors)
    file.write(table[: 24 * index] + table[24 * index + 24 :])


def keep_page(file, dump):
    """The first dropped page comes back, with the contents of another one; the last kept page is given up for it."""
    kept = list(bits(dump.bitmap2))
    dropped = next(bits(bytes(one & ~two for one, two in zip(dump.bitmap1, dump.bitmap2))), None)
    if dropped is None:
        return
    index = sum(pfn < dropped for pfn in kept)
    table = [dump.map[at : at + 24] for at in range(dump.descriptors, dump.data_start, 24)]
    full = next(i for i, (_, _, size, _) in enumerate(dump.pages()) if 1000 < size < PAGE)
    table.insert(index, table[full])
    _set_bit(file, dump, dropped, 1)
    _set_bit(file, dump, kept[-1], 0)
    file.seek(dump.descriptors)
    file.write(b''.join(table[:-1]))


def wrong_phys_base(file, dump):
    file.seek(PAGE)
    file.write(struct.pack('<q', dump.phys_base + 0x200000))


def no_mask(file, dump):
    """NUMBER(sme_mask) is 0: who walks page tables by what VMCOREINFO says goes astray."""
    at = dump.map.find(b'NUMBER(sme_mask)=') + len(b'NUMBER(sme_mask)=')
    file.seek(at)
    file.write(b'0' * (dump.map.find(b'\n', at) - at))


def _set_bit(file, dump, pfn, value):
    start = dump.descriptors - len(dump.bitmap2)
    file.seek(start + (pfn >> 3))
    byte = file.read(1)[0]
    file.seek(start + (pfn >> 3))
    file.write(bytes([byte | 1 << (pfn & 7) if value else byte & ~(1 << (pfn & 7))]))


SABOTAGE = {
    'flip-data': flip_data,
    'swap-pages': swap_pages,
    'drop-page': drop_page,
    'keep-page': keep_page,
    'wrong-phys-base': wrong_phys_base,
    'no-mask': no_mask,
    'miscount': lambda file, dump: None,
    'drop-line': lambda file, dump: None,
    'swap-of-parts': lambda file, dump: None,
    'cut-rearranged': lambda file, dump: None,
}


def in_one(vmcores, scratch):
    """makedumpfile reads neither what is split nor what is flattened."""
    whole = os.path.join(scratch, 'whole')
    if len(vmcores) > 1:
        subprocess.run([MAKEDUMPFILE, '--message-level', '4', '--reassemble', *vmcores, whole], check=True, stdout=2)
        return whole
    with open(vmcores[0], 'rb', buffering=0) as file:
        if file.read(12) != b'makedumpfile':
            return vmcores[0]
        file.seek(0)
        rearrange(file, whole)
    return whole


def rearrange(stream, out):
    subprocess.run([MAKEDUMPFILE, '--message-level', '4', '-f', '-R', out], stdin=stream, check=True, stdout=2)
    if os.environ.get('SABOTAGE') == 'cut-rearranged':
        os.truncate(out, os.path.getsize(out) - 1)


def readable(vmcore, scratch):
    """makedumpfile ignores e_phoff."""
    with open(vmcore, 'rb') as file:
        head = file.read(64)
    if head[:4] != b'\x7fELF' or struct.unpack_from('<Q', head, 32)[0] == 64:
        return vmcore
    normal = os.path.join(scratch, 'normal.elf')
    subprocess.run([sys.executable, LAB / 'elf-normalize.py', vmcore, normal], check=True)
    return normal


def report_of(text, dump):
    pages = {key: int(found.group(1), 16) for key, line in REPORT.items() if (found := re.search(line, text))}
    classes = {name: pages[name] for name in ('zero', 'cache', 'cachePrivate', 'user', 'free', 'hwpoison', 'offline')}
    total = count_bits(dump.bitmap1)
    classes |= {'kernel': total - sum(classes.values()), 'undecided': 0}
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {'classes': classes, 'keptPages': dump.kept, 'totalPages': total, 'peakRssBytes': memory}


def dump_dmesg(options):
    # The check takes this one, too, where it is there.
    program = str(NEWER_MAKEDUMPFILE) if NEWER_MAKEDUMPFILE.exists() else MAKEDUMPFILE
    with tempfile.TemporaryDirectory() as scratch:
        vmcore = readable(options.vmcore[0], scratch)
        run = subprocess.run([program, '--dump-dmesg', '-f', vmcore, options.out], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    if os.environ.get('SABOTAGE') == 'drop-line':
        log = pathlib.Path(options.out)
        log.write_bytes(b''.join(line for i, line in enumerate(log.read_bytes().splitlines(True)) if i != 100))


def main():
    parser = argparse.ArgumentParser()
    for letter in 'clpz':
        parser.add_argument(f'-{letter}', dest='codec', action='store_const', const=f'-{letter}')
    parser.add_argument('-d', default='0')
    parser.add_argument('-f', action='store_true')
    parser.add_argument('--json', action='store_true')
    parser.add_argument('--dump-dmesg', action='store_true')
    for ignored in ('--num-threads', '--codec-maker'):
        parser.add_argument(ignored)
    parser.add_argument('-R', action='store_true')
    parser.add_argument('vmcore', nargs='*')
    parser.add_argument('out')
    options = parser.parse_args()
    if options.dump_dmesg:
        dump_dmesg(options)
        return
    if options.R:
        rearrange(sys.stdin.buffer, options.out)
        return
    command = [MAKEDUMPFILE, '--message-level', '31', '-d', options.d]
    command += [options.codec] if options.codec else []
    command += ['-f'] if options.f else []
    with tempfile.TemporaryDirectory() as scratch:
        vmcore = in_one(options.vmcore, scratch)
        run = subprocess.run(
            [*command, readable(vmcore, scratch), options.out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    if run.returncode:
        sys.exit(run.stdout)
    dump = KdumpFile(options.out)
    report = report_of(run.stdout, dump)
    sabotage = os.environ.get('SABOTAGE')
    if sabotage:
        with open(options.out, 'r+b') as file:
            SABOTAGE[sabotage](file, dump)
    if sabotage == 'swap-of-parts' and vmcore != options.vmcore[0]:
        with open(options.out, 'r+b') as file:
            swap_pages(file, dump)
    if sabotage == 'miscount':
        report['classes']['free'] += 1
    if options.json:
        print(json.dumps(report))


main()
