import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeNote } from '../../src/read/notes.ts';
import { type ElfSource, layoutElf } from '../../src/write/elf.ts';
import { placeOf } from '../../src/write/image.ts';
import { parseElf } from '../build/parse-image.ts';

const PAGE = 4096;
type Run = { pfn: number; count: number };

const sourceOf = (memory: readonly Run[], more: Partial<ElfSource> = {}): ElfSource => ({
  machine: 62,
  pageSize: PAGE,
  memory,
  notes: new Uint8Array(0),
  eraseInfo: new Uint8Array(0),
  incomplete: false,
  vaddrOffset: 0n,
  ...more,
});
const keptOf = (runs: readonly Run[]) => () =>
  runs.map(({ pfn, count }): [number, number] => [pfn, pfn + count]);

function laid(source: ElfSource, kept: readonly Run[], mostLoads?: number) {
  const layout = layoutElf(source, keptOf(kept), mostLoads);
  expect(layout.pieces).toHaveLength(1);
  const [{ bytes, byteOffset }] = layout.pieces;
  expect(byteOffset).toBe(0);
  expect(bytes.length % PAGE).toBe(0);
  // Pages are not written here: only the room for them.
  const file = Buffer.alloc(layout.fileBytes);
  file.set(bytes);
  return { layout, elf: parseElf(file), head: Buffer.from(bytes) };
}

test('the headers of a small dump are these bytes', () => {
  const notes = Uint8Array.from(encodeNote('CORE', 1, Uint8Array.of(1, 2, 3, 4)));
  const source = sourceOf([{ pfn: 1, count: 3 }], { notes, vaddrOffset: 0xffff888000000000n });
  const { head } = laid(source, [{ pfn: 2, count: 1 }]);
  const words = [
    '7f454c4602010100 0000000000000000 0400 3e00 01000000 0000000000000000', // … e_entry
    '4000000000000000 0000000000000000 00000000 4000 3800 0400 0000 0000 0000', // e_phoff … e_shstrndx
    // PT_NOTE: behind 64 + 4 × 56 bytes.
    '04000000 00000000 2001000000000000 0000000000000000 0000000000000000 1800000000000000 1800000000000000 0000000000000000',
    // Page frame 1, which is not in the file, 2, which is, and 3, which is not.
    '01000000 04000000 0020000000000000 00100000 8088ffff 0010000000000000 0000000000000000 0010000000000000 0000000000000000',
    '01000000 04000000 0010000000000000 00200000 8088ffff 0020000000000000 0010000000000000 0010000000000000 0000000000000000',
    '01000000 04000000 0020000000000000 00300000 8088ffff 0030000000000000 0000000000000000 0010000000000000 0000000000000000',
    '05000000 04000000 01000000 434f5245 00000000 01020304',
  ];
  const golden = words.join('').replaceAll(' ', '');
  expect(head.toString('hex', 0, golden.length / 2)).toBe(golden);
  expect(head.subarray(golden.length / 2).every((byte) => byte === 0)).toBe(true);
});

describe('e_flags', () => {
  test('say that a dump is not whole, and that what it is made of is not', () => {
    for (const incomplete of [false, true]) {
      const { layout, elf } = laid(sourceOf([{ pfn: 0, count: 4 }], { incomplete }), [{ pfn: 0, count: 1 }]);
      expect(elf.flags).toBe(incomplete ? 1 : 0);
      expect(layout.flags(false)).toEqual({ byteOffset: 48, bytes: Buffer.of(incomplete ? 1 : 0, 0, 0, 0) });
      expect(layout.flags(true)).toEqual({ byteOffset: 48, bytes: Buffer.of(1, 0, 0, 0) });
    }
  });
});

test('what was erased stands in a note of its own behind the others', () => {
  const notes = encodeNote('VMCOREINFO', 0, Buffer.from('OSRELEASE=x\n'));
  const text = Buffer.from('erase jiffies 8\n');
  const { elf } = laid(sourceOf([{ pfn: 0, count: 1 }], { notes, eraseInfo: text }), [{ pfn: 0, count: 1 }]);
  expect(elf.notes).toEqual(Buffer.concat([notes, encodeNote('ERASEINFO', 0, text)]));
});

test.each([0xfffe, 0xffff, 70_000])('%i program headers are counted where they fit', (phnum) => {
  // One is for the notes.
  const memory = Array.from({ length: phnum - 1 }, (_, i) => ({ pfn: 2 * i, count: 1 }));
  const notes = encodeNote('CORE', 1, Uint8Array.of(7));
  const { elf, head } = laid(sourceOf(memory, { notes }), memory);
  expect(head.readUInt16LE(56)).toBe(Math.min(phnum, 0xffff));
  // e_shnum and e_shoff: a section header is only there where it is needed.
  expect(head.readUInt16LE(60)).toBe(phnum >= 0xffff ? 1 : 0);
  expect(Number(head.readBigUInt64LE(40))).toBe(phnum >= 0xffff ? 64 + phnum * 56 : 0);
  expect(elf.loads).toHaveLength(phnum - 1);
  expect(elf.loads.at(-1)).toMatchObject({ paddr: 2 * (phnum - 2) * PAGE, filesz: PAGE, memsz: PAGE });
  expect(elf.notes).toEqual(Buffer.from(notes));
});

/** Memory as stretches that do not touch, and which pages of it are kept, as a letter a page frame: "k", "m" or " ". */
const machines = fc
  .array(fc.tuple(fc.constantFrom('k', 'm', ' '), fc.integer({ min: 1, max: 12 })), { maxLength: 60 })
  .map((runs) =>
    runs
      .map(([letter, count]) => letter.repeat(count))
      .join('')
      .trimEnd(),
  );

function runsOfLetters(map: string, letters: string): Run[] {
  return [...map.matchAll(new RegExp(`[${letters}]+`, 'g'))].map(({ index, 0: { length } }) => ({
    pfn: index,
    count: length,
  }));
}

/** Runs as a window gives them: cut at every 8th page frame. */
const cutInWindows = (runs: readonly Run[]): Run[] =>
  runs.flatMap(({ pfn, count }) => {
    const pieces: Run[] = [];
    for (let at = pfn; at < pfn + count; ) {
      const end = Math.min(pfn + count, (Math.floor(at / 8) + 1) * 8);
      pieces.push({ pfn: at, count: end - at });
      at = end;
    }
    return pieces;
  });

/** Gaps between kept pages of one stretch. */
const gapsIn = (map: string): number[] => [...map.matchAll(/(?<=k)m+(?=k)/g)].map(([gap]) => gap.length);

describe('of any memory and any kept pages', () => {
  test('all memory is in one program header, and exactly what is kept has a place, in order', () => {
    fc.assert(
      fc.property(machines, (map) => {
        const source = sourceOf(runsOfLetters(map, 'km'), { notes: new Uint8Array(12) });
        const { layout, elf } = laid(source, cutInWindows(runsOfLetters(map, 'k')));
        const covered = elf.loads.flatMap(({ paddr, memsz }) =>
          Array.from({ length: memsz / PAGE }, (_, i) => paddr / PAGE + i),
        );
        const all = [...map].flatMap((letter, pfn) => (letter === ' ' ? [] : [pfn]));
        expect(covered).toEqual(all);
        let at = layout.pieces[0].bytes.length;
        for (const [pfn, letter] of [...map].entries()) {
          const place = placeOf(layout.segments, pfn, PAGE);
          expect(place).toBe(letter === 'k' ? at : undefined);
          expect(elf.page(pfn) !== undefined).toBe(letter === 'k');
          if (letter === 'k') at += PAGE;
        }
        expect(layout.fileBytes).toBe(at);
      }),
    );
  });

  test('where there would be too many headers, the shortest gaps get a place in the file, and no other ones', () => {
    fc.assert(
      fc.property(machines, fc.integer({ min: 0, max: 12 }), (map, most) => {
        const { layout, elf } = laid(
          sourceOf(runsOfLetters(map, 'km')),
          cutInWindows(runsOfLetters(map, 'k')),
          most,
        );
        const sizeOf = (gap: number) => Math.floor(Math.log2(gap));
        const gaps = gapsIn(map);
        const separate = (gap: number) => gaps.filter((other) => sizeOf(other) >= sizeOf(gap)).length <= most;
        const filled = map.replaceAll(/(?<=k)m+(?=k)/g, (gap) =>
          separate(gap.length) ? gap : 'k'.repeat(gap.length),
        );
        for (const [pfn, letter] of [...filled].entries())
          expect(elf.page(pfn) !== undefined).toBe(letter === 'k');
        expect(layout.fileBytes - layout.pieces[0].bytes.length).toBe(
          [...filled].filter((letter) => letter === 'k').length * PAGE,
        );
        // Two a stretch, one more where memory begins with what was left out, and two a gap.
        const stretches = runsOfLetters(map, 'km').length;
        const beginnings = [...map.matchAll(/(?<![km])m+(?=k)/g)].length;
        expect(elf.loads.length).toBeLessThanOrEqual(2 * stretches + beginnings + 2 * most);
        // Nobody can take what is not in the file for something that is.
        const end = layout.fileBytes;
        for (const { filesz, memsz, offset } of elf.loads)
          expect(filesz === memsz || (filesz === 0 && offset === end)).toBe(true);
      }),
    );
  });
});
