/** VMCOREINFO found in memory, for dumps that carry none. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scanForVmcoreinfo } from '../../src/kernel/scan-vmcoreinfo.ts';
import type { DumpFile, MemoryReader } from '../../src/read/dump-file.ts';
import { createReader } from '../../src/read/open.ts';
import { type Load, writeElfCore } from '../build/elf.ts';
import { buildKdump } from '../build/kdump.ts';
import { elfNote, vmcoreinfoNote } from '../build/notes.ts';
import { tempFiles } from '../read/temp-files.ts';
import { openVmcore } from './opened.ts';

const files = tempFiles();
const text = (release: string) => `OSRELEASE=${release}\nPAGESIZE=4096\n${'X=1\n'.repeat(50)}`;
const found = (file: DumpFile, reader: MemoryReader): string[] =>
  [...scanForVmcoreinfo(file, reader)].flatMap((step) => step.found ?? []);

function elfOf(loads: readonly Load[]): { file: DumpFile; reader: MemoryReader } {
  const path = files.path('elf');
  writeElfCore(path, { loads });
  const file = files.open(path);
  return { file, reader: createReader(file, false, []) };
}

/** 1 MiB of memory with each of `notes` at its byte. */
function memoryWith(notes: readonly [at: number, note: Uint8Array][]) {
  const data = new Uint8Array(2 ** 20);
  for (const [at, note] of notes) data.set(note, at);
  return elfOf([{ paddr: 0x100000, memsz: data.length, data }]);
}

describe('the search for VMCOREINFO in memory', () => {
  it('finds the note of a kernel that was dumped without it', () => {
    const { file, reader, built } = openVmcore(files, { vmcoreinfo: 'memory' });
    expect(found(file, reader)).toEqual([built.vmcoreinfoText]);
  });

  it('finds nothing where there is none', () => {
    const { file, reader } = openVmcore(files, { vmcoreinfo: 'none' });
    expect(found(file, reader)).toEqual([]);
  });

  it('finds a note wherever it lies, also across the border of two loads', () => {
    const border = 256 * 1024;
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: border - 60, max: border + 4 }), fc.nat(2 ** 20 - 600)),
        (at) => {
          const { file, reader } = memoryWith([[at, vmcoreinfoNote(text('6.1.0'))]]);
          expect(found(file, reader)).toEqual([text('6.1.0')]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('finds a note across the border of two segments that follow each other, and with small loads', () => {
    const data = new Uint8Array(8192);
    data.set(vmcoreinfoNote(text('6.1.0')), 4096 - 30);
    const { file, reader } = elfOf([
      { paddr: 0x1000, memsz: 4096, data: data.subarray(4096) },
      { paddr: 0, memsz: 4096, data: data.subarray(0, 4096) },
    ]);
    expect(found(file, reader)).toEqual([text('6.1.0')]);
    const onePage = Object.create(reader, {
      load: { value: (pfn: number) => reader.load(pfn, 1) },
    }) as MemoryReader;
    expect(found(file, onePage)).toEqual([text('6.1.0')]);
  });

  it('gives every candidate in the order of addresses, a stale one first', () => {
    const { file, reader } = memoryWith([
      [0x3000, vmcoreinfoNote(text('5.10.0-stale'))],
      [0x90000, vmcoreinfoNote(text('6.1.0'))],
    ]);
    expect(found(file, reader)).toEqual([text('5.10.0-stale'), text('6.1.0')]);
  });

  it('may be interrupted by reads through the same reader', () => {
    const { file, reader } = memoryWith([
      [0x3000, vmcoreinfoNote(text('a'))],
      [0x4000, vmcoreinfoNote(text('b'))],
      [0x5000, vmcoreinfoNote(text('c'))],
    ]);
    const seen: string[] = [];
    for (const candidate of found(file, reader)) {
      seen.push(candidate);
      reader.load(0x180, 64);
      reader.read(0x150000, new Uint8Array(9000));
    }
    expect(seen).toEqual([text('a'), text('b'), text('c')]);
  });

  it('passes over text that is no note: another size of name, another type, lengths of nonsense', () => {
    const note = vmcoreinfoNote(text('6.1.0'));
    const with32 = (at: number, value: number) => {
      const copy = Buffer.from(note);
      copy.writeUInt32LE(value, at);
      return copy;
    };
    const { file, reader } = memoryWith([
      [0x1000, with32(0, 12)],
      [0x2000, with32(4, 0xffffffff)],
      [0x3000, with32(4, 2 ** 20)],
      [0x4000, with32(8, 1)],
      [0x5000, elfNote('VMCOREINFO', 0, Buffer.from('OSRELEASE=6.1\n'))],
      [0x6000, elfNote('VMCOREINFO', 0, Buffer.from('PAGESIZE=4096\n'))],
    ]);
    expect(found(file, reader)).toEqual([]);
  });

  it('does not fall over text at the very beginning of memory, with no room for a header before it', () => {
    const { file, reader } = elfOf([
      { paddr: 0, memsz: 4096, data: vmcoreinfoNote(text('6.1.0')).subarray(12) },
    ]);
    expect(found(file, reader)).toEqual([]);
  });

  it('goes on behind pages that cannot be read', () => {
    const note = new Uint8Array(4096);
    note.set(vmcoreinfoNote(text('6.1.0')), 100);
    const path = files.path('kdump');
    buildKdump({
      path,
      pages: new Map([
        [2, new Uint8Array(4096)],
        [3, new Uint8Array(4096)],
        [9, note],
      ]),
      ram: [{ start: 0, end: 12 }],
      incomplete: [3],
    });
    const file = files.open(path);
    expect(found(file, createReader(file, false, []))).toEqual([text('6.1.0')]);
  });

  it('gives nothing of a note that continues on a page that is not there', () => {
    const page = new Uint8Array(4096);
    page.set(vmcoreinfoNote(text('6.1.0')).subarray(0, 100), 3996);
    const { file, reader } = elfOf([{ paddr: 0x5000, memsz: 4096, data: page }]);
    expect(found(file, reader)).toEqual([]);
  });
});
