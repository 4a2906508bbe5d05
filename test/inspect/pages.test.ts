/** `smelt pages` tells all page frames of what they are, also those that the dump no longer has. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { KERNEL_KINDS, MEMORY_KINDS } from '../../src/filter/frame-kind.ts';
import { OwnerTally, pointerKey, pointerOf } from '../../src/filter/owner-tally.ts';
import { type ByKind, type PagesReport, type PagesRequest, pages } from '../../src/inspect/pages.ts';
import type { DumpObserver } from '../../src/workers/report.ts';
import { memUsage } from '../../src/workers/usage.ts';
import { stretches } from '../../src/workers/zone-counts.ts';
import { buildEveryKind } from '../workers/every-kind.ts';
import { runDump, scratch } from '../workers/run-dump.ts';

const dir = scratch();
const core = join(dir, 'core');
const SAMPLE = 'samples/x86_64-6.1-small.kdump';
const quiet: DumpObserver = { onInput() {}, onProgress() {}, onWarning() {} };

function count(
  asked: Partial<PagesRequest> = {},
  signal = new AbortController().signal,
): Promise<PagesReport> {
  const usual = { input: core, threads: 0, mmap: undefined, smeMask: undefined, vmcoreinfoFile: undefined };
  return pages({ ...usual, top: undefined, quick: false, ...asked }, quiet, signal);
}

const sum = (kinds: ByKind, field: 'pages' | 'absentPages' = 'pages') =>
  MEMORY_KINDS.reduce((total, kind) => total + kinds[kind][field], 0);
const onlyPages = (kinds: ByKind) => MEMORY_KINDS.map((kind) => kinds[kind].pages);

describe('the kinds of page frames', () => {
  test.each(['4.19', '5.10', '6.1', '6.12', '7.3'] as const)(
    'of Linux %s add up to the memory, and to the classes that --mem-usage counts',
    async (kernel) => {
      buildEveryKind({ path: core, kernel });
      const request = {
        input: core,
        threads: 0,
        mmap: undefined,
        smeMask: undefined,
        vmcoreinfoFile: undefined,
      };
      const { classes, totalPages } = await memUsage(request, quiet, new AbortController().signal);
      for (const access of [{ threads: 0 }, { threads: 2 }, { mmap: false }]) {
        const report = await count(access);
        const { kinds } = report;
        expect(sum(kinds)).toBe(totalPages);
        expect(KERNEL_KINDS.reduce((total, kind) => total + kinds[kind].pages, 0)).toBe(
          classes.kernel + classes.undecided,
        );
        for (const kind of [
          'zero',
          'cache',
          'cachePrivate',
          'user',
          'free',
          'hwpoison',
          'offline',
          'undecided',
        ] as const)
          expect([kind, kinds[kind].pages]).toEqual([kind, classes[kind]]);
        // Three of them; in all kernels their type is another number.
        expect(kinds.table.pages).toBe(3);
        expect(kinds.free.pages).toBe(report.kernelFreePages);
        const blocks = report.orders.reduce(
          (total, { order, freeBlocks }) => total + freeBlocks * 2 ** order,
          0,
        );
        expect(blocks).toBe(kinds.free.pages);
      }
    },
  );

  test('name slab pages, those behind the first of a compound page too', async () => {
    buildEveryKind({ path: core });
    const { kinds, orders } = await count();
    // Three single pages and two of order 1, one of them with nothing but its text.
    expect(kinds.slab.pages).toBe(7);
    expect(orders[1]!.compoundPages).toBe(2);
  });

  test('of a dump at level 31 are those of the whole one, with what is missing told', async () => {
    const filtered = join(dir, 'filtered');
    buildEveryKind({ path: core });
    const whole = await count();
    const { report } = await runDump({ input: core, output: filtered, dumpLevel: 31 });
    const rest = await count({ input: filtered });
    expect(onlyPages(rest.kinds)).toEqual(onlyPages(whole.kinds));
    expect(sum(rest.kinds, 'absentPages')).toBe(report.totalPages - report.keptPages);
    expect(rest.kinds.free.absentPages).toBe(rest.kinds.free.pages);
    expect(rest.kinds.slab.absentPages).toBe(0);
    expect(rest.orders).toEqual(whole.orders);
  });

  test('have no pages of zeros where nobody looks for them', async () => {
    buildEveryKind({ path: core });
    const [thorough, quick] = [await count(), await count({ quick: true })];
    expect(thorough.kinds.zero.pages).toBeGreaterThan(0);
    expect(quick.kinds.zero.pages).toBe(0);
    expect(sum(quick.kinds)).toBe(sum(thorough.kinds));
    expect(quick.kinds.user).toEqual(thorough.kinds.user);
  });
});

describe('the kernel of a sample', () => {
  test('has zones with the free blocks that its lists count, and owners with names', async () => {
    const { zones, orders, slabCaches, files, kinds, outsideZones, totalPages } = await count({
      input: SAMPLE,
      top: 100,
    });
    expect(zones?.map(({ name, node }) => [node, name])).toEqual([
      [0, 'DMA'],
      [0, 'DMA32'],
    ]);
    expect(zones!.reduce((total, zone) => total + zone.pages, outsideZones)).toBe(totalPages);
    expect(orders.map(({ freeBlocks }) => freeBlocks)).toEqual(
      orders.map(({ kernelFreeBlocks }) => kernelFreeBlocks),
    );
    const names = slabCaches!.top.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['dentry', 'task_struct', 'inode_cache']));
    expect(slabCaches!.pages).toBeGreaterThanOrEqual(kinds.slab.pages);
    expect(files!.pages).toBe(kinds.cache.pages + kinds.cachePrivate.pages);
    expect(files!.top.map(({ path }) => path)).toContain('/mapped.txt');
  });
});

test('processes of a sample have what they count for themselves, threads counted once, the largest first', async () => {
  const { processes, files, slabCaches, counters, kinds } = await count({
    input: SAMPLE,
    top: 4,
    quick: true,
  });
  expect(files!.top).toHaveLength(4);
  expect(slabCaches!.top).toHaveLength(4);
  expect(processes!.top.map(({ pid, comm }) => [pid, comm])).toEqual([
    [110, 'hog-alpha'],
    [111, 'hog-huge'],
    [112, 'hog-shared'],
    [113, 'hog-locked'],
  ]);
  expect(processes!.processes).toBe(9);
  for (const each of processes!.top)
    expect(each.anonBytes + each.fileBytes + each.shmemBytes).toBe(each.residentBytes);
  // A page that two of them share is counted by both.
  expect(processes!.anonBytes / 4096).toBeGreaterThanOrEqual(counters!.anon!);
  expect(kinds.table.pages).toBe(counters!.pageTables);
  expect(counters).toMatchObject({
    pageTables: 66,
    kernelStacks: 256,
    perCpu: 128,
    mlocked: 256,
    dirty: 256,
  });
});

test('a kernel without BTF says why it has no owners', async () => {
  buildEveryKind({ path: core });
  const { slabCaches, files, noOwners } = await count({ top: 5 });
  expect([slabCaches, files]).toEqual([undefined, undefined]);
  expect(noOwners).toMatch(/BTF/);
});

const OLD = join(homedir(), '.cache/smelt/fixtures/x86_64-5.10-4level.elf');
test.skipIf(!existsSync(OLD))('a kernel of 5.10 has zones and owners with names', async () => {
  const { zones, slabCaches, files } = await count({ input: OLD, top: 50 });
  expect(zones?.map(({ name }) => name)).toEqual(['DMA', 'DMA32']);
  expect(slabCaches?.top.map(({ name }) => name)).toContain('dentry');
  expect(files?.top.map(({ path }) => path)).toContain('/big.txt');
});

test('an abort ends it', async () => {
  buildEveryKind({ path: core });
  const controller = new AbortController();
  controller.abort();
  await expect(count({}, controller.signal)).rejects.toMatchObject({ code: 'INTERRUPTED' });
});

describe('owners', () => {
  test('are held in bounded memory: the largest ones stay, and what was forgotten is told', () => {
    const tally = new OwnerTally();
    let all = 0;
    for (let key = 1; key <= 200_000; key++) {
      const some = key % 50_000 === 0 ? 1000 : 1;
      tally.add(key, some);
      all += some;
    }
    const { owners, forgotten } = tally.data;
    expect(owners.length).toBeLessThanOrEqual(2 ** 15);
    expect(owners.filter(([, some]) => some === 1000)).toHaveLength(4);
    expect(owners.reduce((total, [, some]) => total + some, forgotten)).toBe(all);
  });

  test('are kernel pointers, exact in 56 bits, and nothing else', () => {
    for (const pointer of [0xffff888012345678n, 0xff11000123456780n, 0xfffffffffffffff8n]) {
      const low = Number(BigInt.asIntN(32, pointer));
      const high = Number(BigInt.asIntN(32, pointer >> 32n));
      expect(pointerOf(pointerKey(low, high)!)).toBe(pointer);
    }
    expect(pointerKey(0x1000, 0)).toBeUndefined();
    expect(pointerKey(0x1001, -1)).toBeUndefined();
  });
});

test("page frames that two zones reach over are the smaller one's, if their struct pages do not say otherwise", () => {
  const spans = [
    { pfn: 10, end: 100 },
    { pfn: 40, end: 60 },
  ];
  const told = [...stretches(spans, 0, 120)].map(({ from, to, zone, isShared }) => [
    from,
    to,
    zone,
    isShared,
  ]);
  expect(told).toEqual([
    [0, 10, 2, false],
    [10, 40, 0, false],
    [40, 60, 1, true],
    [60, 100, 0, false],
    [100, 120, 2, false],
  ]);
});
