#!/usr/bin/env python3
"""elf-normalize.py IN OUT: a copy of a QEMU dump that makedumpfile can read; OUT may be IN.

QEMU since 7.2 puts the section headers first and the program headers behind them (e_ehsize 8, e_phoff 192). makedumpfile
does not look at e_phoff: it expects the program headers right behind the ELF header. The copy has them there and no section
headers; every byte of notes and memory stays where it is.
"""

import os
import shutil
import struct
import sys

EHDR_SIZE = 64


def main(source: str, target: str) -> None:
    if os.path.realpath(source) != os.path.realpath(target):
        shutil.copyfile(source, target)
    with open(target, 'r+b') as file:
        ehdr = bytearray(file.read(EHDR_SIZE))
        order = '<' if ehdr[5] == 1 else '>'
        (phoff,) = struct.unpack_from(order + 'Q', ehdr, 32)
        phentsize, phnum = struct.unpack_from(order + '2H', ehdr, 54)
        file.seek(phoff)
        phdrs = file.read(phentsize * phnum)
        struct.pack_into(order + '2Q', ehdr, 32, EHDR_SIZE, 0)
        struct.pack_into(order + '6H', ehdr, 52, EHDR_SIZE, phentsize, phnum, 0, 0, 0)
        first_data = min(struct.unpack_from(order + 'Q', phdrs, phentsize * i + 8)[0] for i in range(phnum))
        room = first_data - EHDR_SIZE - len(phdrs)
        if room < 0:
            sys.exit(f'{source}: no room for {phnum} program headers before byte {first_data}')
        file.seek(0)
        file.write(ehdr + phdrs + bytes(room))


main(*sys.argv[1:3])
