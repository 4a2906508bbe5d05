/** Compares a dump that was written with the vmcore that it was made from, page for page. */
import { expect } from 'vitest';
import type { BuiltVmcore } from '../build/vmcore.ts';
import { countBits, type Descriptor, FLAG, type ParsedKdump } from '../program/parse-kdump.ts';

const ZEROS = new Uint8Array(4096);

/** The set of pages, and the bytes of each; `kept` is a bitmap as `Expected` gives it. */
export function checkPages(dump: ParsedKdump, core: BuiltVmcore, kept: Uint8Array): void {
  expect(trimmed(dump.bitmap2)).toEqual(trimmed(kept));
  expect(dump.descriptors.size).toBe(countBits(kept));
  const wrong: number[] = [];
  for (const pfn of dump.descriptors.keys()) {
    const bytes = dump.page(pfn);
    if (bytes === undefined || Buffer.compare(bytes, core.pageBytes(pfn)) !== 0) wrong.push(pfn);
  }
  expect(wrong).toEqual([]);
}

/** What every file that is whole has to be, whatever is in it. `codecFlag`: what its pages may be packed with. */
export function checkLayout(dump: ParsedKdump, codecFlag: number): void {
  const { file, blockSize, descriptors } = dump;
  expect(dump.signature).toBe('KDUMP   ');
  expect(dump.headerVersion).toBe(6);
  expect(dump.status).toBe(codecFlag);
  expect(dump.split).toBe(0);
  expect(dump.bitmapBlocks).toBe(2 * Math.ceil(Math.ceil(dump.maxMapnr / 8) / blockSize));
  expect(dump.maxMapnr32).toBe(Math.min(dump.maxMapnr, 0xffffffff));
  expect(dump.subHeaderBlocks).toBe(Math.ceil((104 + dump.notes.length) / blockSize));

  const end = file.length;
  const zeroPage = dump.dataOffset;
  const first = zeroPage + blockSize + dump.eraseinfo.length;
  if (dump.eraseinfo !== '') expect(dump.offsetEraseinfo).toBe(zeroPage + blockSize);
  expect(file.subarray(zeroPage, zeroPage + blockSize).equals(ZEROS)).toBe(true);
  const problems: string[] = [];
  const own: Descriptor[] = [];
  for (const desc of descriptors.values()) {
    const { pfn, offset, size, flags, pageFlags } = desc;
    if (pageFlags !== 0n) problems.push(`page frame ${pfn} has page_flags`);
    if (flags !== 0 && flags !== codecFlag) problems.push(`page frame ${pfn} has flags ${flags}`);
    if (flags === 0 ? size !== blockSize : size >= blockSize)
      problems.push(`page frame ${pfn} has ${size} bytes and flags ${flags}`);
    if (offset === zeroPage) {
      if (flags !== 0) problems.push(`zero page ${pfn} has flags`);
      continue;
    }
    if (offset < first || offset + size > end) problems.push(`page frame ${pfn} lies outside`);
    // What a page looks like decides, not where it is: nobody but the shared page may be all zeros.
    if (dump.page(pfn)?.equals(ZEROS)) problems.push(`zero page ${pfn} does not share`);
    own.push(desc);
  }
  own.sort((a, b) => a.offset - b.offset);
  // Page data follow each other without a gap and without an overlap.
  let at = first;
  for (const { pfn, offset, size } of own) {
    if (offset !== at) problems.push(`page frame ${pfn} begins at ${offset}, not at ${at}`);
    at = offset + size;
  }
  if (at !== end) problems.push(`the data end at ${at}, not at ${end}`);
  expect(problems).toEqual([]);
}

/** Page frames with data of their own, and how many of those are packed. */
export function packedPages(dump: ParsedKdump): { own: number; packed: number } {
  const own = [...dump.descriptors.values()].filter((d) => d.offset !== dump.dataOffset);
  return { own: own.length, packed: own.filter((d) => d.flags !== FLAG.raw).length };
}

/** Without the bytes behind the last bit. */
export function trimmed(bitmap: Uint8Array): Buffer {
  let end = bitmap.length;
  while (end > 0 && bitmap[end - 1] === 0) end--;
  return Buffer.from(bitmap.subarray(0, end));
}

/** Of a dump that is a part: its descriptors are 0 or lead to whole pages; returns how many do. */
export function wholePagesOf(dump: ParsedKdump, core: BuiltVmcore): number {
  let there = 0;
  for (const pfn of dump.descriptors.keys()) {
    const page = dump.page(pfn);
    if (page === undefined) continue;
    there++;
    if (Buffer.compare(page, core.pageBytes(pfn)) !== 0) throw new Error(`page frame ${pfn} is not whole`);
  }
  return there;
}
