#!/usr/bin/env python3
"""overlap.py blank|restore ELF: takes out of a copy of /proc/vmcore what is in it twice, or puts that back, in place.

The first PT_LOAD of a /proc/vmcore is the kernel image, and a later one holds the same memory again. gzip does not see that, and so
the packed sample would be 10 MB larger. Nothing else is changed; the SHA-256 in the sample's JSON is that of the whole file.
"""

import struct
import sys

PT_LOAD = 1


def segments(header):
    (phoff,) = struct.unpack_from('<Q', header, 32)
    (phnum,) = struct.unpack_from('<H', header, 56)
    for i in range(phnum):
        kind, _, offset, _, paddr, filesz = struct.unpack_from('<2I4Q', header, phoff + 56 * i)
        if kind == PT_LOAD:
            yield offset, paddr, filesz


def fill(path, restore):
    with open(path, 'r+b') as file:
        (offset, paddr, filesz), *others = segments(file.read(4096))
        twin = next(at + paddr - start for at, start, size in others if start <= paddr and paddr + filesz <= start + size)

        def read(at):
            file.seek(at)
            return file.read(filesz)

        if not restore and read(offset) != read(twin):
            sys.exit(f'{path}: the first PT_LOAD is not what another one has')
        data = read(twin) if restore else bytes(filesz)
        file.seek(offset)
        file.write(data)


if __name__ == '__main__':
    if len(sys.argv) != 3 or sys.argv[1] not in ('blank', 'restore'):
        sys.exit(__doc__)
    fill(sys.argv[2], sys.argv[1] == 'restore')
