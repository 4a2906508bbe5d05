/** ELF cores as they come from kernels, QEMU and makedumpfile, and as they come out of an accident. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/errors.ts';
import { SmeltError } from '../../src/errors.ts';
import type { ElfDumpFile } from '../../src/read/dump-file.ts';
import { createElfReader } from '../../src/read/elf-reader.ts';
import { parseNotes } from '../../src/read/notes.ts';
import { Elf64Phdr, type ElfCoreSpec, PT_NOTE, planElfCore, writeElfCore } from '../build/elf.ts';
import { elfNote, vmcoreinfoNote } from '../build/notes.ts';
import { expectSmeltError, tempFiles } from './temp-files.ts';

const files = tempFiles();
const U64 = 0xffffffffffffffffn;
const TWO63 = 2n ** 63n;
const page = (fill: number, length = 4096) => new Uint8Array(length).fill(fill);
const one: ElfCoreSpec = {
  notes: vmcoreinfoNote('OSRELEASE=x\n'),
  loads: [{ paddr: 0x10000, memsz: 0x2000, data: page(1, 0x2000) }],
};

function open(spec: ElfCoreSpec): ElfDumpFile {
  const path = files.path('elf');
  writeElfCore(path, spec);
  return files.open(path) as ElfDumpFile;
}

function refuse(spec: ElfCoreSpec, code: ErrorCode, ...words: (string | RegExp)[]): SmeltError {
  const path = files.path('elf');
  writeElfCore(path, spec);
  return expectSmeltError(() => files.open(path), code, path, ...words);
}

const memoryOf = (file: ElfDumpFile) =>
  Array.from(file.memory.paddr, (p, i) => [p, file.memory.sizeBytes[i]]);
const storedOf = (file: ElfDumpFile) =>
  Array.from(file.stored.paddr, (p, i) => [p, file.stored.sizeBytes[i]]);

function byteAt(file: ElfDumpFile, paddr: number): number | undefined {
  const into = new Uint8Array(1);
  return createElfReader(file, false).read(paddr, into) ? into[0] : undefined;
}

describe('an ELF core', () => {
  it('is laid out by the builder as /proc/vmcore is', () => {
    const { headers } = planElfCore({ loads: [{ paddr: 0x1000, memsz: 0x1000 }] });
    expect(Buffer.from(headers).toString('hex')).toBe(
      '7f454c46020101000000000000000000' +
        '04003e0001000000' +
        '0000000000000000' +
        '4000000000000000' +
        '0000000000000000' +
        '00000000400038000100000000000000' +
        '0100000007000000' +
        '0010000000000000' +
        '0000000000000000' +
        '0010000000000000' +
        '0010000000000000' +
        '0010000000000000' +
        '0000000000000000',
    );
  });

  it('opens with its machine, memory and notes', () => {
    const file = open(one);
    expect(file).toMatchObject({ format: 'elf', machine: 'x86_64', littleEndian: true, pageSize: 4096 });
    expect(memoryOf(file)).toEqual([[0x10000, 0x2000]]);
    expect(file.incomplete).toBe(false);
    expect(open({ ...one, ehdr: { e_flags: 1 } }).incomplete).toBe(true);
    expect(file.stored).toBe(file.memory);
    expect([...parseNotes(file.notes)].map((n) => n.name)).toEqual(['VMCOREINFO']);
  });

  it.each([
    ['program headers far from the ELF header, as QEMU has them', { phoff: 192 }],
    ['program headers at an odd place', { phoff: 1001 }],
    ['the number of program headers in section header 0', { pnXnum: true }],
    ['segments that do not begin at a page of the file', { unaligned: 0x838 }],
    ['all of that', { phoff: 777, pnXnum: true, unaligned: 1 }],
  ] satisfies [string, Partial<ElfCoreSpec>][])('opens with %s', (_, quirk) => {
    const file = open({ ...one, ...quirk });
    expect(memoryOf(file)).toEqual([[0x10000, 0x2000]]);
    expect(byteAt(file, 0x11fff)).toBe(1);
    expect([...parseNotes(file.notes)]).toHaveLength(1);
  });

  it('opens with more than 65,535 program headers', () => {
    const count = 70_000;
    const loads = Array.from({ length: count }, (_, i) => ({ paddr: (count - i) * 0x2000, memsz: 0 }));
    const whole = { paddr: 0x100, memsz: 0x1000, data: page(3) };
    const file = open({ ...one, loads: [...loads, whole] });
    expect(memoryOf(file)).toEqual([[0x100, 0x1000]]);
    expect(byteAt(file, 0x10ff)).toBe(3);
  });

  it('sorts segments, and joins those that continue each other in memory and in the file', () => {
    const file = open({
      loads: [
        { paddr: 0x8000, memsz: 0x1000, data: page(8) },
        { paddr: 0x2000, memsz: 0x1000, data: page(2) },
        { paddr: 0x3000, memsz: 0x1000, data: page(3) },
      ],
    });
    expect(memoryOf(file)).toEqual([
      [0x2000, 0x2000],
      [0x8000, 0x1000],
    ]);
    expect([0x2000, 0x3000, 0x8000, 0x4000].map((p) => byteAt(file, p))).toEqual([2, 3, 8, undefined]);
  });

  it('takes overlapping bytes from the segment that comes first in the file', () => {
    const file = open({
      loads: [
        { paddr: 0x2000, memsz: 0x1000, data: page(2) },
        { paddr: 0x1000, memsz: 0x3000, data: page(9, 0x3000) },
      ],
    });
    expect([0x1fff, 0x2000, 0x2fff, 0x3000].map((p) => byteAt(file, p))).toEqual([9, 2, 2, 9]);
  });

  it('knows memory that the file does not have (p_filesz < p_memsz)', () => {
    const file = open({ loads: [{ paddr: 0x1000, memsz: 0x5000, filesz: 0x1800, data: page(5, 0x1800) }] });
    expect(memoryOf(file)).toEqual([[0x1000, 0x5000]]);
    expect(storedOf(file)).toEqual([[0x1000, 0x1800]]);
    expect([0x27ff, 0x2800, 0x3000].map((p) => byteAt(file, p))).toEqual([5, 0, undefined]);
  });

  it('takes a segment without bytes in the file for memory, wherever its offset points', () => {
    for (const p_offset of [0n, 2n ** 40n, TWO63, U64]) {
      const empty = { paddr: 0x9000, memsz: 0x1000, filesz: 0, phdr: { p_offset } };
      const file = open({ loads: [one.loads[0], empty] });
      expect(memoryOf(file)).toContainEqual([0x9000, 0x1000]);
      expect(storedOf(file)).toEqual([[0x10000, 0x2000]]);
      expect(byteAt(file, 0x9000)).toBeUndefined();
    }
  });

  it('takes p_filesz where it is more than p_memsz', () => {
    const file = open({ loads: [{ ...one.loads[0], phdr: { p_memsz: 0n } }] });
    expect(memoryOf(file)).toEqual([[0x10000, 0x2000]]);
  });

  it('passes over mappings without physical memory (/proc/kcore) and over segments of other types', () => {
    const file = open({
      loads: [
        { paddr: 0, memsz: 0x1000, phdr: { p_paddr: U64 } },
        { paddr: 0x5000, memsz: 0x1000, phdr: { p_type: 0x6474e551, p_offset: U64, p_filesz: U64 } },
        ...one.loads,
      ],
    });
    expect(memoryOf(file)).toEqual([[0x10000, 0x2000]]);
  });

  it('reads all notes of several PT_NOTE segments, also where one is not padded at its end', () => {
    const first = elfNote('A', 1, Buffer.from('12345')).subarray(0, 12 + 4 + 5);
    const second = elfNote('B', 2, Buffer.from('x'));
    const third = vmcoreinfoNote('C=1\n');
    const notes = Buffer.concat([first, second, third]);
    const at = (n: number, length: number, from: number) => ({
      paddr: 0,
      memsz: 0,
      phdr: { p_type: PT_NOTE, p_offset: BigInt(n), p_filesz: BigInt(length), p_memsz: BigInt(from) },
    });
    const notePhdr = { p_filesz: BigInt(first.length) };
    const plan = planElfCore({ notes, loads: [...one.loads, at(0, 0, 0), at(0, 0, 0)] });
    const file = open({
      notes,
      notePhdr,
      loads: [
        ...one.loads,
        at(plan.noteOffset + first.length, second.length, 0),
        at(plan.noteOffset + first.length + second.length, third.length, 0),
      ],
    });
    expect([...parseNotes(file.notes)].map((n) => n.name)).toEqual(['A', 'B', 'VMCOREINFO']);
  });

  it('opens without notes', () => {
    expect(open({ loads: one.loads }).notes).toHaveLength(0);
  });

  it('names the machine, also one that it does not know', () => {
    expect(open({ ...one, ehdr: { e_machine: 183 } }).machine).toBe('aarch64');
    expect(open({ ...one, ehdr: { e_machine: 4242 } }).machine).toBe('ELF machine 4242');
  });

  it('is read in the other byte order where it says so', () => {
    const path = files.path('be');
    const headers = Buffer.alloc(64 + 56);
    Buffer.from('7f454c46020201', 'hex').copy(headers);
    headers.writeUInt16BE(4, 16);
    headers.writeUInt16BE(22, 18);
    headers.writeBigUInt64BE(64n, 32);
    headers.writeUInt16BE(56, 54);
    headers.writeUInt16BE(1, 56);
    Elf64Phdr.write(headers, { p_type: 1, p_paddr: 0x7000n, p_memsz: 0x1000n }, 64, false);
    writeFileSync(path, headers);
    const file = files.open(path) as ElfDumpFile;
    expect(file).toMatchObject({ machine: 's390x', littleEndian: false });
    expect(memoryOf(file)).toEqual([[0x7000, 0x1000]]);
  });
});

describe('an ELF file that cannot be', () => {
  const ident = (at: number, value: number) => (headers: Uint8Array) => {
    headers[at] = value;
  };

  it.each([
    ['32-bit', ident(4, 1), 'UNSUPPORTED', /32-bit/],
    ['of class 0', ident(4, 0), 'CORRUPT', /ei_class: expected 2, saw 0/],
    ['of class 255', ident(4, 255), 'CORRUPT', /ei_class: expected 2, saw 255/],
    ['of byte order 0', ident(5, 0), 'CORRUPT', /ei_data: expected 1 or 2/],
    ['of byte order 77', ident(5, 77), 'CORRUPT', /ei_data: expected 1 or 2/],
  ] satisfies [string, (headers: Uint8Array) => void, ErrorCode, RegExp][])(
    'because it is %s is refused',
    (_, patch, code, words) => {
      refuse({ ...one, patch }, code, words);
    },
  );

  it.each([0, 1, 2, 3, 0xffff])('because e_type is %i is no dump', (e_type) => {
    refuse({ ...one, ehdr: { e_type } }, 'NOT_A_DUMP', new RegExp(`type ${e_type}\\b`));
  });

  it.each([0, 1, 55, 57, 64, 0xffff])('because e_phentsize is %i is refused', (e_phentsize) => {
    refuse({ ...one, ehdr: { e_phentsize } }, 'CORRUPT', /e_phentsize: expected 56/, `${e_phentsize}`);
  });

  it.each([0x1000n * 1000n, 2n ** 53n, TWO63, U64 - 55n, U64])(
    'because e_phoff is %i is refused',
    (e_phoff) => {
      refuse({ ...one, ehdr: { e_phoff } }, 'TRUNCATED', /2 program headers end at byte/);
    },
  );

  it.each([0x1000n * 1000n, 2n ** 53n, TWO63, U64 - 1n, U64])(
    'because e_shoff, which leads to the number of program headers, is %i is refused',
    (e_shoff) => {
      refuse({ ...one, pnXnum: true, ehdr: { e_shoff } }, 'TRUNCATED', /section header 0/);
    },
  );

  it('because its number of program headers does not fit is refused', () => {
    refuse({ ...one, ehdr: { e_phnum: 0xfffe } }, 'TRUNCATED', /65,534 program headers/);
    refuse({ ...one, pnXnum: true, patch: shInfo(0xffffffff) }, 'TRUNCATED', /4,294,967,295 program headers/);
  });

  it('because it has more program headers than any machine is refused, also where the file is that long', () => {
    const path = files.path('elf');
    writeElfCore(path, { ...one, pnXnum: true, patch: shInfo(0xffffffff), size: 2 ** 38 });
    expectSmeltError(
      () => files.open(path),
      'CORRUPT',
      path,
      /4,294,967,295 program headers, more than 1,048,576/,
    );
  });

  it.each([
    ['p_offset', { p_offset: U64 }],
    ['p_offset', { p_offset: TWO63 }],
    ['p_offset', { p_offset: U64 - 0x1fffn }],
    ['p_filesz', { p_filesz: U64 }],
    ['p_filesz', { p_filesz: TWO63 }],
    ['p_offset', { p_offset: 2n ** 40n }],
  ])('because the data are beyond the end of the file (%s) is refused', (_, phdr) => {
    const load = { ...one.loads[0], phdr };
    refuse({ ...one, loads: [load] }, 'TRUNCATED', /program header 1 says its data end at byte/);
  });

  it.each([{ p_offset: U64 }, { p_filesz: U64 }, { p_filesz: 2n ** 32n }])(
    'because its notes are beyond the end of the file is refused',
    (notePhdr) => {
      refuse({ ...one, notePhdr }, 'TRUNCATED', /program header 0/);
    },
  );

  it('because it has more notes than any machine is refused', () => {
    refuse({ ...one, notePhdr: { p_filesz: 2n ** 27n }, size: 2 ** 28 }, 'CORRUPT', /bytes of notes/);
  });

  it.each([
    ['2^64 bytes', { p_memsz: U64 }],
    ['2^63 bytes', { p_memsz: TWO63 }],
    ['2^49 bytes', { p_memsz: 2n ** 49n }],
    ['an address of 2^52', { p_paddr: 2n ** 52n }],
    ['an address of 2^63', { p_paddr: TWO63 }],
    ['an address that wraps', { p_paddr: 0xfffffffffffff000n - 0x2000n }],
  ])('because it has memory of %s is refused', (_, phdr) => {
    refuse(
      { ...one, loads: [...one.loads, { ...one.loads[0], phdr }] },
      'CORRUPT',
      /more than a machine can have/,
    );
  });

  it('because it describes no memory is refused', () => {
    refuse({ ...one, loads: [] }, 'CORRUPT', /no memory/);
    refuse({ ...one, ehdr: { e_phnum: 0 } }, 'CORRUPT', /no memory/);
    refuse({ loads: [{ paddr: 0x1000, memsz: 0 }] }, 'CORRUPT', /no memory/);
    refuse({ loads: [{ paddr: 0, memsz: 0x1000, phdr: { p_paddr: U64 } }] }, 'CORRUPT', /no memory/);
  });

  it('because it is cut short is refused, wherever it is cut', () => {
    for (const quirk of [{}, { pnXnum: true }, { phoff: 512 }]) {
      const path = files.path('cut');
      const plan = writeElfCore(path, { ...one, ...quirk });
      const whole = readFileSync(path);
      const cuts = [
        ...Array(plan.headers.length).keys(),
        plan.offsets[0] - 1,
        plan.offsets[0],
        plan.size - 1,
      ];
      for (const cut of cuts.filter((n) => n >= 16)) {
        const short = files.write(whole.subarray(0, cut));
        const error = expectSmeltError(() => files.open(short), 'TRUNCATED', short, 'bytes');
        expect(error.hint).toMatch(/cut short/);
      }
      for (const cut of [0, 3, 4, 15]) {
        expectSmeltError(() => files.open(files.write(whole.subarray(0, cut))), 'NOT_A_DUMP');
      }
    }
  });
});

describe('an ELF file with damage at random', () => {
  const path = files.path('fuzz');
  const size = writeElfCore(path, {
    ...one,
    pnXnum: true,
    loads: [
      { paddr: 0x10000, memsz: 0x2000, data: page(1, 0x2000) },
      { paddr: 0x1800, memsz: 0x1000, filesz: 0x900, data: page(2, 0x900) },
      { paddr: 0x11000, memsz: 0x3000, data: page(3, 0x3000) },
    ],
    unaligned: 0x10,
  }).size;
  const whole = readFileSync(path);
  const interesting = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff);
  const damage = fc.array(fc.tuple(fc.nat(0x200), fc.oneof(interesting, fc.nat(255))), { maxLength: 8 });

  it('opens or says why not, and what opens can be read at any place without a surprise', () => {
    fc.assert(
      fc.property(damage, fc.option(fc.nat(size)), fc.nat(40), fc.nat(70), (flips, cut, pfn, count) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of flips) bytes[at] = value;
        const target = files.write(cut === null ? bytes : bytes.subarray(0, cut));
        let file: ElfDumpFile;
        try {
          file = files.open(target) as ElfDumpFile;
        } catch (error) {
          expect(error).toBeInstanceOf(SmeltError);
          expect((error as SmeltError).code).not.toBe('INTERNAL');
          return;
        }
        for (const mmap of [false, true]) {
          const reader = createElfReader(file, mmap);
          const places = [
            pfn,
            Math.floor(file.stored.paddr[0] / 4096),
            Math.floor(file.memory.paddr.at(-1)! / 4096),
          ];
          for (const at of places) {
            const loaded = reader.load(at, Math.max(1, count));
            expect(loaded).toBeLessThanOrEqual(Math.max(1, count));
            expect(reader.start + loaded * 4096).toBeLessThanOrEqual(reader.bytes.length);
            for (let i = 0; i < loaded; i++) reader.bytes.readUInt8(reader.start + i * 4096 + 4095);
            reader.read(at * 4096 + 17, new Uint8Array(9000));
          }
          reader.close();
        }
      }),
      { numRuns: 600 },
    );
  });

  it('never has more in the file than the file has', () => {
    fc.assert(
      fc.property(damage, (flips) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of flips) bytes[at] = value;
        let file: ElfDumpFile;
        try {
          file = files.open(files.write(bytes)) as ElfDumpFile;
        } catch {
          return;
        }
        file.stored.paddr.forEach((_, i) => {
          expect(file.stored.byteOffset[i] + file.stored.sizeBytes[i]).toBeLessThanOrEqual(file.fileBytes);
        });
      }),
      { numRuns: 300 },
    );
  });

  it('reads as missing what the system refuses after the file was opened', () => {
    const shrinking = files.path('shrinking');
    writeElfCore(shrinking, one);
    const file = files.open(shrinking) as ElfDumpFile;
    truncateSync(shrinking, 4096 + 0x1000);
    const reader = createElfReader(file, false);
    expect(reader.load(0x10, 2)).toBe(1);
    expect(reader.load(0x11, 1)).toBe(0);
    expect(reader.read(0x11000, new Uint8Array(8))).toBe(false);
  });
});

function shInfo(count: number): NonNullable<ElfCoreSpec['patch']> {
  return (headers) => {
    const view = new DataView(headers.buffer, headers.byteOffset);
    view.setUint32(Number(view.getBigUint64(40, true)) + 44, count, true);
  };
}
