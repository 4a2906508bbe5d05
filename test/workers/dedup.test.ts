import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BuiltVmcore } from '../build/vmcore.ts';
import type { PageSpec } from '../build/vmcore-options.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import { checkPages } from './check-dump.ts';
import { buildEveryKind, everyKind } from './every-kind.ts';
import { runDump, scratch } from './run-dump.ts';

const dir = scratch();

const filled = (byte: number) => new Uint8Array(4096).fill(byte);
/** Alike but for the last byte, so that a hash of less than the whole page would not do. */
const almost = filled(0xaa);
almost[4095] = 0xab;

/** Pages that are the same: beside each other, in other windows, by the dozen; and a pair that nearly is. */
const same: PageSpec[] = [
  { pfn: 6000, kind: 'kernel', count: 700, data: filled(0xaa) },
  { pfn: 6700, kind: 'kernel', data: almost },
  { pfn: 13_000, kind: 'kernel', count: 100, data: filled(0xaa) },
  { pfn: 13_100, kind: 'kernel', data: filled(0xbb) },
  { pfn: 15_000, kind: 'kernel', data: filled(0xbb) },
  { pfn: 15_001, kind: 'kernel', data: almost },
];
const input = join(dir, 'core');
const core: BuiltVmcore = buildEveryKind({ path: input, pages: [...everyKind('6.1'), ...same] });

let outputs = 0;
async function run(codec: 'zstd' | undefined, dumpLevel: number, dedup: boolean, from = input) {
  const output = join(dir, `out-${outputs++}`);
  const { report } = await runDump({ input: from, output, codec, dumpLevel, dedup });
  return { output, report, dump: parseKdump(output) };
}

describe.each([
  ['zstd', 0],
  ['zstd', 31],
  [undefined, 1],
] as const)('identical pages with %s at level %i', (codec, level) => {
  test('are stored once, and every page reads back as it was', async () => {
    const plain = await run(codec, level, false);
    const { dump, report } = await run(codec, level, true);
    checkPages(dump, core, core.expected.kept(level));
    const placeOf = (pfn: number) => dump.descriptors.get(pfn)!.offset;
    const places = new Set(Array.from({ length: 700 }, (_, i) => placeOf(6000 + i)));
    expect(places.size).toBe(1);
    expect(placeOf(13_050)).toBe(placeOf(6000));
    expect(placeOf(15_000)).toBe(placeOf(13_100));
    expect(placeOf(15_001)).toBe(placeOf(6700));
    expect(placeOf(6700)).not.toBe(placeOf(6000));
    expect(report.dedup!.pages).toBeGreaterThanOrEqual(699 + 100 + 1 + 1);
    expect(report.storedPages + report.dedup!.pages).toBe(plain.report.storedPages);
    expect(report.dataBytes + report.dedup!.savedBytes).toBe(plain.report.dataBytes);
    expect(report.output.sizeBytes).toBe(dump.file.length);
    expect(plain.report.dedup).toBeUndefined();
  });
});

test('a dump in which pages share their place is filtered further like any other', async () => {
  const first = await run('zstd', 0, true);
  const { dump } = await run('zstd', 31, true, first.output);
  checkPages(dump, core, core.expected.kept(31));
});
