import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Pread } from '../../src/native/pread.ts';
import type { SlidingWindow } from '../../src/native/sliding-window.ts';
import { survey } from '../../src/workers/survey.ts';
import type { BuiltVmcore } from '../build/vmcore.ts';
import { noNative } from '../native-parts.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import { checkPages } from './check-dump.ts';
import { buildEveryKind, everyKind, KINDS_PFN } from './every-kind.ts';
import { runDump, scratch } from './run-dump.ts';

const dir = scratch();

/** What stands between the engine and the input: every byte that is read or mapped of it goes through here. */
const guard = vi.hoisted(() => ({
  /** Throws for bytes that must not be touched. */
  check: (_fd: number, _at: number, _length: number): void => {},
}));
vi.mock('../../src/native/pread.ts', async (original) => {
  const real = await original<typeof import('../../src/native/pread.ts')>();
  return {
    openPread: (): Pread => {
      const pread = real.openPread();
      return (fd, into, offset, length, at) => {
        guard.check(fd, at, length);
        return pread(fd, into, offset, length, at);
      };
    },
  };
});
vi.mock('../../src/native/sliding-window.ts', async (original) => {
  const real = await original<typeof import('../../src/native/sliding-window.ts')>();
  return {
    openSlidingWindow: (...args: Parameters<typeof real.openSlidingWindow>) => {
      const window = real.openSlidingWindow(...args);
      if ('unavailable' in window) return window;
      const slide: SlidingWindow['slide'] = (fd, at, length, fileBytes) => {
        try {
          guard.check(fd, at, length);
        } catch {
          return undefined;
        }
        return window.slide(fd, at, length, fileBytes);
      };
      return { ...window, slide };
    },
  };
});
const readSync = fs.readSync;

afterEach(() => {
  guard.check = () => {};
  fs.readSync = readSync;
  syncBuiltinESMExports();
});

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Where frames lie in an ELF file with one PT_LOAD behind its PT_NOTE, by hand. */
function bytesOf(path: string, pfns: readonly number[]): Range[] {
  const file = fs.readFileSync(path);
  const phdr = 64 + 56;
  if (file.readUInt32LE(phdr) !== 1 || file.readUInt16LE(56) !== 2)
    throw new Error('not the layout expected');
  const base = Number(file.readBigUInt64LE(phdr + 8)) - Number(file.readBigUInt64LE(phdr + 24));
  return pfns.map((pfn) => ({ from: base + pfn * 4096, to: base + (pfn + 1) * 4096 }));
}

/** Makes a read of these bytes of the file what it is on such memory: an error, or the end of the machine. */
function forbid(path: string, ranges: readonly Range[]): { touched: Range[]; reads: number } {
  const seen: { touched: Range[]; reads: number } = { touched: [], reads: 0 };
  const { ino, dev } = fs.statSync(path);
  guard.check = (fd, at, length) => {
    const stat = fs.fstatSync(fd);
    if (stat.ino !== ino || stat.dev !== dev) return;
    seen.reads++;
    const hit = ranges.filter((r) => r.from < at + length && at < r.to);
    seen.touched.push(...hit);
    if (hit.length > 0) throw Object.assign(new Error('EIO'), { code: 'EIO' });
  };
  fs.readSync = ((fd: number, into: NodeJS.ArrayBufferView, offset: number, length: number, at: number) => {
    guard.check(fd, at, length);
    return readSync(fd, into, offset, length, at);
  }) as typeof fs.readSync;
  syncBuiltinESMExports();
  return seen;
}

/** Frames that no level may touch. */
function forbiddenPfns(core: BuiltVmcore): number[] {
  return core.runs
    .filter(({ look }) => look.claims.some((c) => c.levels === 0))
    .flatMap(({ pfn, blocks, look }) => Array.from({ length: blocks * 2 ** look.order }, (_, i) => pfn + i));
}

describe('pages that are offline or poisoned are never read, at level', () => {
  const input = join(dir, 'core');
  // Poisoned pages between pages that are kept at any level, and a poisoned huge page.
  const more = [
    ...Array.from({ length: 32 }, (_, i) => ({
      pfn: 5000 + 2 * i,
      kind: i % 2 === 0 ? ('offline' as const) : ('hwpoison' as const),
      data: 'random' as const,
    })),
    { pfn: KINDS_PFN + 3072, kind: 'thp' as const, hwpoison: true, data: 'text' as const },
    // A tail page, whose head does not matter then.
    { pfn: 5200, kind: 'orphanTail' as const, hwpoison: true, data: 'random' as const },
  ];
  const core = buildEveryKind({ path: input, pages: [...everyKind('6.1'), ...more] });
  const forbidden = forbiddenPfns(core);

  const levels = Array.from({ length: 32 }, (_, level) => level);
  test.each(levels.flatMap((level) => [[level, 'read', false] as const, [level, 'mapped', true] as const]))(
    '%i, input %s',
    async (level, _how, mmap) => {
      expect(forbidden.length).toBeGreaterThan(512 + 32);
      const seen = forbid(input, bytesOf(input, forbidden));
      const output = join(dir, `out.${level}`);
      const { report } = await runDump({ input, output, dumpLevel: level, mmap });
      expect(seen.touched).toEqual([]);
      expect(report.mmap).toBe(mmap && noNative === undefined);
      expect(seen.reads).toBeGreaterThan(10);
      expect(report.missingPages).toBe(0);
      checkPages(parseKdump(output), core, core.expected.kept(level));
      fs.rmSync(output);
    },
  );
});

describe('pages that are offline or poisoned are never read on a machine with encrypted memory', () => {
  // An SNP guest hangs when the VMSA page of a running CPU is read, which its kernel marks as offline.
  const input = join(dir, 'snp');
  const pages = [
    ...everyKind('6.1'),
    ...Array.from({ length: 8 }, (_, i) => ({
      pfn: 5000 + 2 * i,
      kind: 'offline' as const,
      data: 'random' as const,
    })),
  ];
  const shared = [{ pfn: 4990, count: 40 }];
  const core = buildEveryKind({ path: input, smeMask: 1n << 51n, shared, pages });
  const forbidden = forbiddenPfns(core);

  test.each([
    [0, false],
    [0, true],
    [31, false],
    [31, true],
  ])(
    'by a dump at level %i, input mapped: %s, without and with --exclude-shared',
    async (dumpLevel, mmap) => {
      for (const excludeShared of [false, true]) {
        const seen = forbid(input, bytesOf(input, forbidden));
        const output = join(dir, 'snp.out');
        const { report } = await runDump({ input, output, dumpLevel, mmap, excludeShared });
        expect(seen.touched).toEqual([]);
        expect(seen.reads).toBeGreaterThan(10);
        expect(report.verdict).toMatchObject({ outcome: 'readable', seen: { sampledPages: 0 } });
        expect(report.census?.pages.shared).toBe(40);
        fs.rmSync(output);
      }
    },
  );

  test('by a dry run and by the census', async () => {
    const seen = forbid(input, bytesOf(input, forbidden));
    await runDump({ input, output: undefined, dryRun: true, dumpLevel: 1 });
    const request = { input, threads: 0, mmap: true, smeMask: undefined, vmcoreinfoFile: undefined };
    const observer = { onInput() {}, onProgress() {}, onWarning() {} };
    const { signal } = new AbortController();
    const report = await survey({ ...request, pagesFile: undefined, overwrite: false }, observer, signal);
    expect(report.census?.sharedRanges).toHaveLength(1);
    expect(seen.touched).toEqual([]);
    expect(seen.reads).toBeGreaterThan(10);
  });
});

test('a kept page that cannot be read is marked missing, its neighbours are whole, and the dump says so', async () => {
  const input = join(dir, 'unreadable');
  const core = buildEveryKind({ path: input });
  const bad = [KINDS_PFN + 2048 + 17, KINDS_PFN + 2048 + 18, 13000];
  forbid(input, bytesOf(input, bad));
  const output = join(dir, 'unreadable.out');
  const { report, warnings } = await runDump({ input, output, dumpLevel: 31, codec: 'lzo', mmap: false });
  expect(report.missingPages).toBe(3);
  expect(warnings).toEqual([expect.stringMatching(/^3 pages could not be read from .*missing/)]);
  const dump = parseKdump(output);
  expect(dump.status).toBe(0x2 | 0x8);
  for (const [pfn, desc] of dump.descriptors) {
    if (bad.includes(pfn)) expect(desc).toMatchObject({ offset: 0, size: 0, flags: 0 });
    else if (!Buffer.from(core.pageBytes(pfn)).equals(dump.page(pfn)!)) throw new Error(`page frame ${pfn}`);
  }
  expect(report.storedPages + report.missingPages).toBeLessThanOrEqual(report.keptPages);
});
