"""Readers of ELF and kdump-compressed dumps for the checks beside it.

Written from the format descriptions alone, with nothing of smelt's own readers in it, so that an error there is not repeated
here. x86_64, little-endian. Nothing is recovered from: a file that breaks a rule of its format raises BadDump.
"""

import ctypes
import ctypes.util
import mmap
import struct
import zlib

PAGE = 4096
ZERO_PAGE = bytes(PAGE)

PT_LOAD = 1
PT_NOTE = 4


class BadDump(Exception):
    pass


def map_file(path):
    with open(path, 'rb') as file:
        return mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)


def bits(bitmap):
    """The numbers of the bits that are set, bit 0 of byte 0 first."""
    for at, byte in enumerate(bitmap):
        if byte:
            for bit in range(8):
                if byte >> bit & 1:
                    yield at * 8 + bit


def count_bits(bitmap):
    return int.from_bytes(bitmap, 'little').bit_count()


def runs(pfns):
    """Ascending page frame numbers as (first, count)."""
    first = previous = None
    for pfn in pfns:
        if first is None:
            first = pfn
        elif pfn != previous + 1:
            yield first, previous + 1 - first
            first = pfn
        previous = pfn
    if first is not None:
        yield first, previous + 1 - first


class ElfDump:
    """Physical memory as the PT_LOADs give it: the first segment wins, what is not in the file is zero."""

    def __init__(self, path):
        self.map = map_file(path)
        if self.map[:6] != b'\x7fELF\x02\x01':
            raise BadDump(f'{path}: not a little-endian ELF64 file')
        (phoff,) = struct.unpack_from('<Q', self.map, 32)
        phentsize, phnum = struct.unpack_from('<2H', self.map, 54)
        if phnum == 0xFFFF:
            (shoff,) = struct.unpack_from('<Q', self.map, 40)
            (phnum,) = struct.unpack_from('<I', self.map, shoff + 44)  # sh_info of section 0
        self.segments = []  # (paddr, memsz, filesz, offset)
        self.notes = b''
        for i in range(phnum):
            kind, _, offset, _, paddr, filesz, memsz = struct.unpack_from('<2I5Q', self.map, phoff + i * phentsize)
            if offset + filesz > len(self.map):
                raise BadDump(f'{path}: program header {i} ends behind the file')
            if kind == PT_LOAD:
                self.segments.append((paddr, memsz, filesz, offset))
            elif kind == PT_NOTE:
                self.notes += self.map[offset : offset + filesz]
        self.max_mapnr = max(-(-(paddr + memsz) // PAGE) for paddr, memsz, _, _ in self.segments)

    def page(self, pfn):
        """The page's bytes, or None where there is no memory."""
        address = pfn * PAGE
        for paddr, memsz, filesz, offset in self.segments:
            if paddr <= address and address + PAGE <= paddr + filesz:
                at = offset + address - paddr
                return self.map[at : at + PAGE]
            if paddr < address + PAGE and address < paddr + memsz:
                return self._assembled(address)
        return None

    def _assembled(self, address):
        """A page that no segment holds wholly."""
        page = bytearray(PAGE)
        for paddr, _, filesz, offset in reversed(self.segments):
            start, end = max(address, paddr), min(address + PAGE, paddr + filesz)
            if start < end:
                at = offset + start - paddr
                page[start - address : end - address] = self.map[at : at + end - start]
        return bytes(page)

    def partial_pages(self):
        """Page frames of which only a part is memory."""
        edges = {edge // PAGE for paddr, memsz, _, _ in self.segments for edge in (paddr, paddr + memsz) if edge % PAGE}
        return {pfn for pfn in edges if self._memory_in(pfn * PAGE) < PAGE}

    def _memory_in(self, address):
        covered = set()
        for paddr, memsz, _, _ in self.segments:
            covered.update(range(max(address, paddr), min(address + PAGE, paddr + memsz)))
        return len(covered)

    def bitmap(self):
        """One bit for every page frame that has memory."""
        present = bytearray(-(-self.max_mapnr // 8))
        for paddr, memsz, _, _ in self.segments:
            for pfn in range(paddr // PAGE, -(-(paddr + memsz) // PAGE)):
                present[pfn >> 3] |= 1 << (pfn & 7)
        return bytes(present)


def vmcoreinfo_of(notes):
    at = 0
    while at + 12 <= len(notes):
        namesz, descsz, _ = struct.unpack_from('<3I', notes, at)
        desc = at + 12 + (namesz + 3 & ~3)
        if notes[at + 12 : at + 12 + namesz] == b'VMCOREINFO\0':
            return notes[desc : desc + descsz]
        at = desc + (descsz + 3 & ~3)
    return None


def _inflate(data):
    return zlib.decompress(data)


class SystemDecoders:
    """The C libraries of the system, called without anything in between."""

    def __init__(self):
        self.lzo = self._library('lzo2')
        self.snappy = self._library('snappy')
        self.zstd = self._library('zstd')

    @staticmethod
    def _library(name):
        path = ctypes.util.find_library(name)
        return path and ctypes.CDLL(path)

    def unlzo(self, data):
        out, size = ctypes.create_string_buffer(PAGE), ctypes.c_size_t(PAGE)
        status = self.lzo.lzo1x_decompress_safe(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size), None)
        if status:
            raise BadDump(f'lzo1x_decompress_safe: {status}')
        return out.raw[: size.value]

    def unsnappy(self, data):
        out, size = ctypes.create_string_buffer(PAGE), ctypes.c_size_t(PAGE)
        status = self.snappy.snappy_uncompress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size))
        if status:
            raise BadDump(f'snappy_uncompress: {status}')
        return out.raw[: size.value]

    def unzstd(self, data):
        self.zstd.ZSTD_decompress.restype = ctypes.c_size_t
        out = ctypes.create_string_buffer(PAGE)
        size = self.zstd.ZSTD_decompress(out, ctypes.c_size_t(PAGE), data, ctypes.c_size_t(len(data)))
        if size > PAGE:
            raise BadDump('ZSTD_decompress: error')
        return out.raw[:size]


SYSTEM = SystemDecoders()
DECODERS = {0x01: ('zlib', _inflate), 0x02: ('lzo', SYSTEM.unlzo), 0x04: ('snappy', SYSTEM.unsnappy), 0x20: ('zstd', SYSTEM.unzstd)}


class KdumpFile:
    """A kdump-compressed file, header version 6, not flattened, not split."""

    def __init__(self, path):
        self.map = data = map_file(path)
        if data[:8] != b'KDUMP   ':
            raise BadDump(f'{path}: not a kdump-compressed file')
        self.header_version, self.utsname = struct.unpack_from('<i390s', data, 8)
        self.status, block, sub_blocks, bitmap_blocks = struct.unpack_from('<IiiI', data, 424)
        (self.nr_cpus,) = struct.unpack_from('<i', data, 460)
        if (self.header_version, block) != (6, PAGE):
            raise BadDump(f'{path}: header_version {self.header_version}, block_size {block}')
        (self.phys_base,) = struct.unpack_from('<q', data, PAGE)
        self.dump_level, self.split = struct.unpack_from('<ii', data, PAGE + 8)
        offset_vmcoreinfo, size_vmcoreinfo, offset_note, size_note = struct.unpack_from('<4Q', data, PAGE + 32)
        self.vmcoreinfo = data[offset_vmcoreinfo : offset_vmcoreinfo + size_vmcoreinfo]
        self.notes = data[offset_note : offset_note + size_note]
        (self.max_mapnr,) = struct.unpack_from('<Q', data, PAGE + 96)
        if sub_blocks < -(-(104 + size_note) // PAGE):
            raise BadDump(f'{path}: sub_hdr_size {sub_blocks} does not hold {size_note} bytes of notes')
        half = bitmap_blocks // 2 * PAGE
        if bitmap_blocks % 2 or half * 8 < self.max_mapnr:
            raise BadDump(f'{path}: {bitmap_blocks} bitmap blocks do not hold {self.max_mapnr} page frames twice')
        start = (1 + sub_blocks) * PAGE
        self.bitmap1 = data[start : start + half]
        self.bitmap2 = data[start + half : start + 2 * half]
        for name, bitmap in (('first', self.bitmap1), ('second', self.bitmap2)):
            if int.from_bytes(bitmap, 'little') >> self.max_mapnr:
                raise BadDump(f'{path}: {name} bitmap has bits behind max_mapnr')
        if int.from_bytes(self.bitmap2, 'little') & ~int.from_bytes(self.bitmap1, 'little'):
            raise BadDump(f'{path}: a page is in the second bitmap and not in the first')
        self.descriptors = start + 2 * half
        self.kept = count_bits(self.bitmap2)
        self.data_start = self.descriptors + 24 * self.kept
        if self.data_start > len(data):
            raise BadDump(f'{path}: {self.kept} descriptors do not fit the file')

    def pages(self):
        """Every kept page: (pfn, offset, size, flags), in the order of page frames."""
        table = struct.iter_unpack('<QIIQ', self.map[self.descriptors : self.data_start])
        for pfn, (offset, size, flags, page_flags) in zip(bits(self.bitmap2), table, strict=True):
            if offset < self.data_start or offset + size > len(self.map) or size > PAGE or page_flags:
                raise BadDump(f'page frame {pfn:#x}: descriptor offset {offset}, size {size}, page_flags {page_flags}')
            yield pfn, offset, size, flags

    def decode(self, offset, size, flags):
        data = self.map[offset : offset + size]
        if flags:
            data = DECODERS[flags][1](data)
        if len(data) != PAGE:
            raise BadDump(f'a page at byte {offset} decodes to {len(data)} bytes')
        return data
