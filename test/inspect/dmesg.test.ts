/** `smelt dmesg`'s engine: which records of the log are shown, of synthetic logs and of real ones. */
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { dmesg, type ShowLogRequest } from '../../src/inspect/dmesg.ts';
import type { LogWanted } from '../../src/inspect/log-filter.ts';
import { LEVEL_NAMES, type LevelName } from '../../src/kernel/log-entry.ts';
import { buildVmcore } from '../build/vmcore.ts';
import { tempFiles } from '../read/temp-files.ts';
import { REAL_DUMPS } from '../sme/real-dumps.ts';
import { observer, request } from './asked.ts';

const files = tempFiles();
const ALL: LogWanted = { sinceUs: undefined, levels: undefined, fromTrouble: false };

const ask = async (input: string, wanted: Partial<LogWanted> = {}, more: Partial<ShowLogRequest> = {}) => {
  const taken: string[] = [];
  const asked = { ...request(input), wanted: { ...ALL, ...wanted }, withEntries: true, ...more };
  const report = await dmesg(asked, observer(), new AbortController().signal, async (records) => {
    for (const { text } of records) taken.push(Buffer.from(text).toString('latin1'));
  });
  return { report, taken, texts: report.entries.map(({ text }) => text) };
};

/** Message n is at n × 1.234567 s, with level n modulo 8. */
const built = (dmesg: readonly string[], kernel: '4.19' | '6.1' = '6.1', logFacility?: number) => {
  const path = files.path('vmcore');
  buildVmcore({ path, kernel, dmesg, ...(logFacility === undefined ? {} : { logFacility }) });
  return path;
};
const NUMBERED = Array.from({ length: 20 }, (_, index) => `message ${index}`);

describe('the records of a log', () => {
  it.each(['4.19', '6.1'] as const)('are shown from a time on (Linux %s)', async (kernel) => {
    const path = built(NUMBERED, kernel);
    expect((await ask(path, { sinceUs: 18 * 1_234_567 })).texts).toEqual(['message 18', 'message 19']);
    expect((await ask(path, { sinceUs: 18 * 1_234_567 + 1 })).texts).toEqual(['message 19']);
    expect((await ask(path, { sinceUs: 0 })).texts).toEqual(NUMBERED);
    expect((await ask(path, { sinceUs: 100e6 })).texts).toEqual([]);
  });

  it('are shown from so long before the last one', async () => {
    const path = built(NUMBERED);
    expect((await ask(path, { sinceUs: -2 * 1_234_567 })).texts).toEqual(NUMBERED.slice(17));
    expect((await ask(path, { sinceUs: -1 })).texts).toEqual(['message 19']);
    expect((await ask(path, { sinceUs: -1e15 })).texts).toEqual(NUMBERED);
  });

  it('are shown by level', async () => {
    const levels = new Set<LevelName>(['alert', 'debug']);
    const { texts, report } = await ask(built(NUMBERED), { levels });
    expect(texts).toEqual([1, 7, 9, 15, 17].map((index) => `message ${index}`));
    expect(report).toMatchObject({ shownRecords: 5, log: { records: 20, lostRecords: 0 } });
  });

  it('are shown from the first trouble on, and in doubt said not to have any', async () => {
    const trouble = ['calm', 'BUG: unable to handle it', 'Call Trace:', 'Kernel panic - not syncing: that'];
    expect((await ask(built(trouble, '6.1', 0), { fromTrouble: true })).texts).toEqual(trouble.slice(1));
    // A program wrote that.
    expect((await ask(built(trouble, '6.1', 1), { fromTrouble: true })).texts).toEqual([]);
    const { report, texts } = await ask(built(NUMBERED), { fromTrouble: true });
    expect(texts).toEqual([]);
    expect(report.warnings).toEqual(['the kernel log has no Oops, BUG or panic']);
  });

  it('are handed on where the report does not have them', async () => {
    const many = Array.from({ length: 60 }, (_, index) => `${index} ${'x'.repeat(150)}`);
    const { report, taken } = await ask(built(many), {}, { withEntries: false });
    expect(taken).toEqual(many);
    expect(report).toMatchObject({ entries: [], shownRecords: 60 });
  });

  it('are shown with a warning where their level is not known', async () => {
    const path = files.path('vmcore');
    buildVmcore({ path, kernel: '4.19', plainLog: true, dmesg: ['<3>[    1.000000] one', 'two'] });
    const { texts, report } = await ask(path, { levels: new Set(['err']) });
    expect(texts).toEqual(['one', 'two']);
    expect(report.warnings).toEqual(['the level of 1 record is not known: it is shown all the same']);
  });
});

describe('a dump without a log', () => {
  it('is an error that says why', async () => {
    const path = files.path('vmcore');
    buildVmcore({ path, vmcoreinfo: 'none' });
    await expect(ask(path)).rejects.toMatchObject({ code: 'NO_LOG' });
  });

  it('ends when it is asked to', async () => {
    const asked = { ...request(built(NUMBERED)), wanted: ALL, withEntries: true };
    const stopped = AbortSignal.abort();
    await expect(dmesg(asked, observer(), stopped, async () => {})).rejects.toMatchObject({
      code: 'INTERRUPTED',
    });
  });
});

describe('real logs', () => {
  const sample = join(import.meta.dirname, '../../samples/x86_64-6.1-small.kdump');

  test('have all levels of their records, and a time that does not run back far', async () => {
    const { report } = await ask(sample);
    expect(report.entries.length).toBe(373);
    for (const { level, facility } of report.entries) {
      expect(LEVEL_NAMES).toContain(level);
      expect(['kern', 'user']).toContain(facility);
    }
    expect(report.entries.at(-1)).toMatchObject({
      facility: 'user',
      text: expect.stringContaining('the dump is taken'),
    });
  });

  const crashed = REAL_DUMPS.find(({ procVmcore }) => procVmcore)!;
  test.skipIf(crashed.missing)('begin a report of a crash with what set it off', async () => {
    const { texts } = await ask(crashed.path, { fromTrouble: true });
    expect(texts.slice(0, 2)).toEqual([
      'sysrq: Trigger a crash',
      'Kernel panic - not syncing: sysrq triggered crash',
    ]);
    expect(texts.at(-1)).toBe(' </TASK>');
    const { texts: worst } = await ask(crashed.path, { levels: new Set(['emerg']) });
    expect(worst).toContain('Kernel panic - not syncing: sysrq triggered crash');
  });
});
