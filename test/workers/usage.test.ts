/** --mem-usage counts what a dump at level 31 would leave out, and what makedumpfile counts. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DumpObserver, InputRequest, Progress, UsageReport } from '../../src/workers/report.ts';
import { memUsage } from '../../src/workers/usage.ts';
import { makedumpfileMissing, runMakedumpfile } from '../build/makedumpfile-oracle.ts';
import { buildVmcore } from '../build/vmcore.ts';
import { buildEveryKind } from './every-kind.ts';
import { runDump, scratch } from './run-dump.ts';

const dir = scratch();
const core = join(dir, 'core');

function usage(
  asked: Partial<InputRequest> = {},
  signal = new AbortController().signal,
  seen: Progress[] = [],
): Promise<UsageReport> {
  const observer: DumpObserver = {
    onInput() {},
    onProgress: (progress) => seen.push(progress),
    onWarning() {},
  };
  const usual = { input: core, threads: 0, mmap: undefined, smeMask: undefined, vmcoreinfoFile: undefined };
  return memUsage({ ...usual, ...asked }, observer, signal);
}

describe('the kinds of pages', () => {
  test.each(['4.19', '5.10', '6.1', '6.12', '7.3'] as const)(
    'of Linux %s are those of a dump at level 31, by any number of threads and mapped or not',
    async (kernel) => {
      buildEveryKind({ path: core, kernel });
      const dump = await runDump({ input: core, output: join(dir, 'dump'), dumpLevel: 31, overwrite: true });
      for (const access of [{ threads: 0 }, { threads: 2 }, { mmap: false }]) {
        const { classes, totalPages, absentPages, missingPages } = await usage(access);
        expect(classes).toEqual(dump.report.classes);
        expect({ totalPages, absentPages, missingPages }).toEqual({
          totalPages: dump.report.totalPages,
          absentPages: 0,
          missingPages: 0,
        });
      }
    },
  );

  test('of a dump that was filtered are what is left, and what it does not have', async () => {
    const filtered = join(dir, 'filtered');
    buildEveryKind({ path: core });
    const { report } = await runDump({ input: core, output: filtered, dumpLevel: 24 });
    const { classes, absentPages, totalPages } = await usage({ input: filtered });
    expect(classes).toMatchObject({ user: 0, free: 0 });
    expect(absentPages).toBe(report.totalPages - report.keptPages);
    expect(Object.values(classes).reduce((sum, pages) => sum + pages, absentPages)).toBe(totalPages);
  });

  test('that cannot be decided stay undecided, those among them that are zero are told as that', async () => {
    // Free blocks that are not aligned to their order; the second has zeros in it.
    const pages = [
      { pfn: 8193, kind: 'buddy', order: 0, raw: { private: 3n }, claims: [], data: 'text' },
      { pfn: 8225, kind: 'buddy', order: 0, raw: { private: 3n }, claims: [] },
    ] as const;
    buildVmcore({ path: core, pages });
    const dump = await runDump({ input: core, output: join(dir, 'dump'), dumpLevel: 31, overwrite: true });
    expect(dump.report.classes.undecided).toBe(1);
    expect((await usage()).classes).toEqual(dump.report.classes);
  });

  test('are told while they are counted', async () => {
    buildEveryKind({ path: core });
    const seen: Progress[] = [];
    const { phases } = await usage({}, undefined, seen);
    expect(phases.map(({ phase }) => phase)).toEqual(['classify', 'zeros']);
    const last = seen.at(-1)!;
    expect(last).toMatchObject({ phase: 'zeros', donePages: last.totalPages });
  });

  test('are not told of a dump whose memory map cannot be read, of an old kernel, or when nobody waits', async () => {
    buildVmcore({ path: core, overrides: { 'SIZE(page)': undefined } });
    await expect(usage()).rejects.toMatchObject({ code: 'UNDECIDABLE' });
    buildVmcore({ path: core, kernel: '4.14' });
    await expect(usage()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    buildEveryKind({ path: core });
    const controller = new AbortController();
    controller.abort();
    await expect(usage({}, controller.signal)).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });

  const why = makedumpfileMissing === undefined ? '' : ` (skipped: ${makedumpfileMissing})`;
  test.skipIf(why !== '')(`are as many as makedumpfile counts${why}`, async () => {
    for (const kernel of ['4.19', '5.10', '6.1'] as const) {
      buildEveryKind({ path: core, kernel });
      const { counts } = runMakedumpfile(core, 31);
      const { zero, cache, cachePrivate, user, free } = (await usage()).classes;
      expect({ zero, cache, cachePrivate, user, free }).toEqual({
        zero: counts.zero,
        cache: counts.cache,
        cachePrivate: counts.cachePrivate,
        user: counts.user,
        free: counts.free,
      });
    }
  });
});
