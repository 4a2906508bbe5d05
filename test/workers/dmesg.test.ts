/** The log of a run that is stopped, and where it may be written. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { type LuksStatus, luksStatus, openFileStatus } from '../../src/luks/status.ts';
import type { Encrypted } from '../../src/luks/target/report.ts';
import { dumpDmesg } from '../../src/workers/dmesg.ts';
import { dump } from '../../src/workers/dump.ts';
import type { DmesgReport, DmesgRequest, DumpObserver } from '../../src/workers/report.ts';
import { buildVmcore } from '../build/vmcore.ts';
import { failureOf, requestOf, runDump, scratch } from './run-dump.ts';

vi.mock(import('../../src/luks/status.ts'), async (original) => ({
  ...(await original()),
  luksStatus: vi.fn(),
  openFileStatus: vi.fn(),
}));

const dir = scratch();
const plain = join(dir, 'plain');
const masked = join(dir, 'masked');
buildVmcore({ path: plain, dmesg: ['one', 'two'] });
buildVmcore({ path: masked, dmesg: ['one', 'two'], smeMask: 1n << 47n });
const TEXT = '[    0.000000] [      T0] one\n[    1.234567] [      C1] two\n';

const REASON = 'this is why';
const SILENT: DumpObserver = { onInput() {}, onProgress() {}, onWarning() {} };

function target(byName: Encrypted, byFile: Encrypted = byName): void {
  const report = (encrypted: Encrypted) => ({ encrypted, why: REASON }) as LuksStatus['target'];
  vi.mocked(luksStatus).mockResolvedValue({ target: report(byName) } as LuksStatus);
  vi.mocked(openFileStatus).mockResolvedValue(report(byFile));
}

let outputs = 0;
function fresh(): { directory: string; log: string; output: string } {
  const directory = join(dir, `out.${outputs++}`);
  mkdirSync(directory);
  return { directory, log: join(directory, 'log'), output: join(directory, 'dump') };
}

const write = async () => {};
function dmesg(
  asked: Pick<DmesgRequest, 'input' | 'output'> & Partial<DmesgRequest>,
  signal = new AbortController().signal,
): Promise<DmesgReport> {
  const usual = { threads: 0, mmap: undefined, smeMask: undefined, vmcoreinfoFile: undefined };
  const request = {
    ...usual,
    overwrite: false,
    requireEncryptedTarget: false,
    partialDmesg: false,
    ...asked,
  };
  return dumpDmesg(request, SILENT, signal, write);
}

beforeEach(() => {
  vi.mocked(luksStatus).mockReset();
  vi.mocked(openFileStatus).mockReset();
});

describe('--dump-dmesg', () => {
  test('asks what a target is on only where memory was encrypted, and warns where that is not', async () => {
    target('none');
    const one = fresh();
    expect(await dmesg({ input: plain, output: one.log })).toMatchObject({ warnings: [] });
    expect(openFileStatus).not.toHaveBeenCalled();
    const two = fresh();
    const { log, warnings } = await dmesg({ input: masked, output: two.log });
    expect(log.targetProtection).toEqual({ encrypted: 'none', why: REASON });
    expect(warnings).toEqual([expect.stringContaining(`its log will not be: ${REASON}; --require-`)]);
    expect(readFileSync(two.log, 'latin1')).toBe(TEXT);
  });

  test.each<[Encrypted, Encrypted]>([
    ['none', 'none'],
    ['some legs', 'some legs'],
    ['unknown', 'unknown'],
    ['all legs', 'none'],
  ])(
    'writes nothing where all has to be encrypted, and %s by name and %s by file are',
    async (byName, byFile) => {
      target(byName, byFile);
      const { directory, log } = fresh();
      const refused = dmesg({ input: plain, output: log, requireEncryptedTarget: true });
      await expect(refused).rejects.toMatchObject({
        code: 'UNENCRYPTED',
        message: expect.stringMatching(/^the log (would|might)/),
      });
      expect(readdirSync(directory)).toEqual([]);
    },
  );

  test('looks at the name before the input is opened', async () => {
    target('none', 'all legs');
    const refused = dmesg({ input: join(dir, 'none'), output: fresh().log, requireEncryptedTarget: true });
    await expect(refused).rejects.toMatchObject({ code: 'UNENCRYPTED' });
  });

  test('writes where all is encrypted', async () => {
    target('all legs');
    const { log } = fresh();
    const report = await dmesg({ input: masked, output: log, requireEncryptedTarget: true });
    expect(report).toMatchObject({ warnings: [], log: { targetProtection: { encrypted: 'all legs' } } });
    expect(readFileSync(log, 'latin1')).toBe(TEXT);
  });

  test('leaves nothing when it is interrupted', async () => {
    const controller = new AbortController();
    controller.abort(new SmeltError('INTERRUPTED', 'interrupted by a test'));
    const { directory, log } = fresh();
    const stopped = dmesg({ input: plain, output: log }, controller.signal);
    await expect(stopped).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe('a dump that was given up half way', () => {
  test('has its kernel log: what leads to it is written first', async () => {
    const { output, log } = fresh();
    const input = 'samples/x86_64-6.1-small.kdump';
    const failure = await failureOf({ input, output, codec: 'zlib', dumpLevel: 31, mostBytes: 7_000_000 });
    expect(failure.code).toBe('TOO_LARGE');
    const report = await dmesg({ input: `${output}.incomplete`, output: log });
    expect(report.log).toMatchObject({ records: 373, lostRecords: 0 });
  });
});

describe('--save-dmesg', () => {
  test('has the log on the disk before DUMPFILE is begun, and tells when', async () => {
    const { directory, log, output } = fresh();
    const seen: string[][] = [];
    const observer: DumpObserver = {
      ...SILENT,
      onInput: () => seen.push(['input', ...readdirSync(directory)]),
      onLog: ({ records }) => seen.push([`${records} records`, ...readdirSync(directory)]),
    };
    const request = requestOf({ input: plain, output, saveDmesg: log });
    const report = await dump(request, observer, new AbortController().signal);
    expect(seen).toEqual([['input'], ['2 records', 'log']]);
    expect(report.log).toMatchObject({ path: log, records: 2, lostRecords: 0, sizeBytes: TEXT.length });
    expect(readdirSync(directory)).toEqual(['dump', 'log']);
  });

  test.each<[string, (log: string, output: string) => void]>([
    ['the log', (log) => byPath(log, 'none')],
    ['the dump', (_, output) => byPath(output, 'none')],
    ['the log, once it is open,', (log) => byPath(log, 'none', 'all legs')],
  ])('writes nothing at all where %s would not be encrypted', async (_, prepare) => {
    const { directory, log, output } = fresh();
    prepare(log, output);
    const error = await failureOf({ input: plain, output, saveDmesg: log, requireEncryptedTarget: true });
    expect(error.code).toBe('UNENCRYPTED');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('looks at both before the input is opened', async () => {
    const { log, output } = fresh();
    const run = { input: join(dir, 'none'), output, saveDmesg: log, requireEncryptedTarget: true };
    for (const path of [log, output]) {
      byPath(path, 'none');
      expect((await failureOf(run)).code).toBe('UNENCRYPTED');
    }
    byPath('', 'none');
    expect((await failureOf(run)).code).toBe('INPUT_OPEN');
  });

  test('warns of both where memory was encrypted and the disk is not', async () => {
    target('none');
    const { log, output } = fresh();
    const { report } = await runDump({ input: masked, output, saveDmesg: log });
    expect(report.warnings.map((warning) => / its (log|dump) will not be/.exec(warning)?.[1])).toEqual([
      'log',
      'dump',
    ]);
  });

  test('saves the log though nobody can make the codec', async () => {
    const { directory, log, output } = fresh();
    const asked = { codec: 'lzo', codecMaker: 'native', compressionLevel: 77 } as const;
    await failureOf({ input: plain, output, saveDmesg: log, ...asked });
    expect(readdirSync(directory)).toEqual(['log']);
  });

  test('leaves neither file when it is interrupted', async () => {
    const controller = new AbortController();
    controller.abort(new SmeltError('INTERRUPTED', 'interrupted by a test'));
    const { directory, log, output } = fresh();
    const onWarning = vi.fn();
    const run = dump(
      requestOf({ input: plain, output, saveDmesg: log }),
      { ...SILENT, onWarning },
      controller.signal,
    );
    await expect(run).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(onWarning).not.toHaveBeenCalled();
    expect(readdirSync(directory)).toEqual([]);
  });
});

/** All is encrypted but what is written to one path. */
function byPath(path: string, byFile: Encrypted, byName = byFile): void {
  const report = (at: string, encrypted: Encrypted) =>
    ({ encrypted: at === path ? encrypted : 'all legs', why: REASON }) as LuksStatus['target'];
  vi.mocked(luksStatus).mockImplementation(async (at) => ({ target: report(at, byName) }) as LuksStatus);
  vi.mocked(openFileStatus).mockImplementation(async (_, at) => report(at, byFile));
}
