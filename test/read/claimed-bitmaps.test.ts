/** Files of a few KiB that claim bitmaps of many GiB, which are holes: opened in no time, and with the pages that they have. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { KdumpDumpFile } from '../../src/read/dump-file.ts';
import { closeDump, createReader, openDump, openingDump } from '../../src/read/open.ts';
import { encodeFlattened, type FlatRecord } from '../build/flattened.ts';
import { encodeKdump, type KdumpOptions } from '../build/kdump.ts';
import { pageContent } from '../build/page-content.ts';
import { noNative } from '../native-parts.ts';
import { tempFiles } from './temp-files.ts';

const files = tempFiles();
const PAGE = 4096;
const PFNS = [3, 4, 40_000];

/** The dump of these few pages, its bitmaps made so large that they have so many page frames. */
function claiming(
  maxMapnr: number,
  options: Partial<KdumpOptions> = {},
): { records: FlatRecord[]; size: number } {
  const pages = new Map(PFNS.map((pfn) => [pfn, pageContent('random', pfn)]));
  const { file, layout } = encodeKdump({ path: '', codec: 'raw', pages, maxMapnr: 65536, ...options });
  const bitmapBytes = maxMapnr / 8;
  const more = 2 * bitmapBytes - (layout.descriptors - layout.bitmap1);
  // bitmap_blocks and max_mapnr_64.
  file.writeUInt32LE((2 * bitmapBytes) / PAGE, 436);
  file.writeBigUInt64LE(BigInt(maxMapnr), PAGE + 96);
  for (const where of layout.descriptorOf.values())
    file.writeBigUInt64LE(file.readBigUInt64LE(where) + BigInt(more), where);
  const bitmap = layout.bitmap2 - layout.bitmap1;
  const records = [
    { offset: 0, bytes: file.subarray(0, layout.bitmap2) },
    { offset: layout.bitmap1 + bitmapBytes, bytes: file.subarray(layout.bitmap2, layout.bitmap2 + bitmap) },
    { offset: layout.descriptors + more, bytes: file.subarray(layout.descriptors) },
  ];
  return { records, size: file.length + more };
}

function expectWhole(path: string, maxMapnr: number): void {
  const file = openDump(path) as KdumpDumpFile;
  try {
    expect(file).toMatchObject({ maxMapnr, parts: [{ pages: PFNS.length }] });
    expect([...file.memory.paddr]).toEqual([3 * PAGE, 40_000 * PAGE]);
    expect(file.rank.at(-1)).toBe(PFNS.length);
    const reader = createReader(file, false, []);
    const into = Buffer.alloc(PAGE);
    for (const pfn of PFNS) {
      expect(reader.read(pfn * PAGE, into)).toBe(true);
      expect(into.equals(pageContent('random', pfn))).toBe(true);
    }
    reader.close();
  } finally {
    closeDump(file);
  }
}

function timed(work: () => void): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

describe('bitmaps that are holes', () => {
  it('of a flattened file are not read', () => {
    const { records } = claiming(2 ** 38);
    const path = files.write(encodeFlattened(records));
    expect(timed(() => expectWhole(path, 2 ** 38))).toBeLessThan(5000);
  });

  it.skipIf(noNative !== undefined)('of a sparse file are not read', () => {
    const { records, size } = claiming(2 ** 38);
    const path = files.path();
    const fd = openSync(path, 'w');
    ftruncateSync(fd, size);
    for (const { offset, bytes } of records) writeSync(fd, bytes, 0, bytes.length, Number(offset));
    closeSync(fd);
    expect(timed(() => expectWhole(path, 2 ** 38))).toBeLessThan(5000);
  });

  it('of split parts are not compared byte by byte', () => {
    const paths = [0, 1].map((part) => {
      const [start, end] = part === 0 ? [0, 1000] : [1000, 2 ** 38];
      const { records } = claiming(2 ** 38, { split: { start, end: 65536 } });
      const [head] = records;
      // start_pfn_64 and end_pfn_64.
      Buffer.from(head!.bytes.buffer, head!.bytes.byteOffset).writeBigUInt64LE(BigInt(start), PAGE + 80);
      Buffer.from(head!.bytes.buffer, head!.bytes.byteOffset).writeBigUInt64LE(BigInt(end), PAGE + 88);
      return files.write(encodeFlattened(records));
    });
    let pages = 0;
    const ms = timed(() => {
      const file = openDump(paths[0]!, paths[1]!) as KdumpDumpFile;
      pages = file.parts.length;
      closeDump(file);
    });
    expect(pages).toBe(2);
    expect(ms).toBeLessThan(5000);
  });
});

describe('a dump that is opened in steps', () => {
  it('is closed where it is given up in their midst', () => {
    const path = files.write(encodeFlattened(claiming(2 ** 24).records));
    const before = openSync('/dev/null', 'r');
    closeSync(before);
    const steps = openingDump(path);
    expect(steps.next().done).toBe(false);
    steps.return(undefined as never);
    const after = openSync('/dev/null', 'r');
    closeSync(after);
    expect(after).toBe(before);
  });
});
