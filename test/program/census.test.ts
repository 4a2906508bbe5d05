/** The census of the built program with helpers that really take part: the main thread is held up while they come. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { SmeReport } from '../../src/workers/report.ts';
import { buildEveryKind } from '../workers/every-kind.ts';
import { parseKdump } from './parse-kdump.ts';
import { run, SMELT, scratch } from './smelt.ts';

const dir = scratch();
const input = join(dir, 'core');
const MASK = 1n << 51n;
const GIB_FRAMES = 2 ** 18;
/** A piece of memory in each GiB, so that each has tables of its own. */
const PIECES = 24;
const shared = [
  // Of the kernel image, whose own mapping is encrypted: both ways.
  { pfn: 4100, count: 3 },
  ...Array.from({ length: PIECES }, (_, i) => ({ pfn: (i + 1) * GIB_FRAMES + 700 + 7 * i, count: i + 1 })),
];
const both = 3;
const sharedPages = shared.reduce((sum, { count }) => sum + count, 0);
const onlyShared = sharedPages - both;

/** Holds up the main thread whenever it takes a turn, and notes the turns that another thread takes. */
const held = join(dir, 'held.cjs');
const helped = join(dir, 'helped');

beforeAll(() => {
  const ram = [
    { start: 0, end: 256 * 2 ** 20 },
    ...Array.from({ length: PIECES }, (_, i) => ({
      start: (i + 1) * 2 ** 30,
      end: (i + 1) * 2 ** 30 + 2 ** 22,
    })),
    // Struct pages are taken from the end, and have a mapping of their own.
    { start: (PIECES + 1) * 2 ** 30, end: (PIECES + 1) * 2 ** 30 + 96 * 2 ** 20 },
  ];
  buildEveryKind({ path: input, ram, smeMask: MASK, shared, directLeaf: '4k' });
  writeFileSync(
    held,
    `const { isMainThread } = require('node:worker_threads');
     const { appendFileSync } = require('node:fs');
     const add = Atomics.add;
     Atomics.add = (array, index, value) => {
       if (isMainThread) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
       else if (array instanceof Int32Array) appendFileSync(${JSON.stringify(helped)}, \`\${index} \`);
       return add(array, index, value);
     };`,
  );
});

function heldUp(...args: string[]) {
  writeFileSync(helped, '');
  const result = run([process.execPath, '--require', held, SMELT, ...args]);
  expect(result.status).toBe(0);
  return { report: JSON.parse(result.stdout).report, turns: readFileSync(helped, 'utf8') };
}

describe('smelt sme', () => {
  test.each([1, 2, 3, 4])('says the same with %i threads, all of which work', (threads) => {
    const { report, turns } = heldUp('sme', '--json', '--quiet', '--num-threads', `${threads}`, input);
    const { census } = report as SmeReport;
    expect(report.threads).toBe(threads);
    expect(turns.length > 0).toBe(threads > 1);
    expect(census!.pages).toMatchObject({ shared: sharedPages, both });
    expect(census!.sharedRanges.map(({ pfn, count }) => ({ pfn, count }))).toEqual(shared);
    expect(census!.leaves[0]!.withoutBit).toBe(sharedPages);
  });
});

describe('--exclude-shared', () => {
  test.each([1, 2, 4])('leaves out what is mapped in no other way, with %i threads', (threads) => {
    const output = join(dir, `out.${threads}`);
    const wanted = ['-z', '-d', '0', '--exclude-shared', '--num-threads', `${threads}`];
    const { report, turns } = heldUp('--json', '--quiet', ...wanted, input, output);
    expect(turns.length > 0).toBe(threads > 1);
    expect(report.classes.shared).toBe(onlyShared);
    const { bitmap2 } = parseKdump(output);
    const isKept = (pfn: number) => (bitmap2[pfn >>> 3]! & (1 << (pfn & 7))) !== 0;
    for (const { pfn, count } of shared)
      for (let i = 0; i < count; i++) expect(isKept(pfn + i)).toBe(pfn < GIB_FRAMES);
  });
});
