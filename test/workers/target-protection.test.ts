/** --require-encrypted-target, and the warning that nobody asked for: memory that was encrypted goes to a disk that is not. */
import { existsSync, fstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { type LuksStatus, luksStatus, openFileStatus } from '../../src/luks/status.ts';
import type { Encrypted } from '../../src/luks/target/report.ts';
import { type ByteStream, rearrange } from '../../src/workers/rearrange.ts';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import { checkPages } from './check-dump.ts';
import { buildEveryKind } from './every-kind.ts';
import { failureOf, runDump, scratch } from './run-dump.ts';

vi.mock(import('../../src/luks/status.ts'), async (original) => ({
  ...(await original()),
  luksStatus: vi.fn(),
  openFileStatus: vi.fn(),
}));
const { luksStatus: realStatus } =
  await vi.importActual<typeof import('../../src/luks/status.ts')>('../../src/luks/status.ts');

const dir = scratch();
const masked = join(dir, 'masked');
const maskedCore = buildEveryKind({ path: masked, smeMask: 1n << 51n, shared: [{ pfn: 12_345, count: 2 }] });
const plain = join(dir, 'plain');
buildEveryKind({ path: plain });

const REASON = 'this is why';
const NOT_ENCRYPTED = ['some legs', 'none', 'unknown'] as const;

/** What the target is said to be. */
function target(encrypted: Encrypted): void {
  const report = { encrypted, why: REASON } as LuksStatus['target'];
  vi.mocked(luksStatus).mockResolvedValue({ target: report } as LuksStatus);
  vi.mocked(openFileStatus).mockResolvedValue(report);
}

let outputs = 0;
/** In a directory of its own, so that all that is written shows. */
function freshOutput(): { output: string; directory: string } {
  const directory = join(dir, `out.${outputs++}`);
  mkdirSync(directory);
  return { directory, output: join(directory, 'dump') };
}

beforeEach(() => {
  vi.mocked(luksStatus).mockReset();
  vi.mocked(openFileStatus).mockReset();
});

describe('--require-encrypted-target', () => {
  const SENTENCES = {
    'some legs': `the dump would be encrypted only in part: ${REASON}`,
    none: `the dump would not be encrypted: ${REASON}`,
    unknown: `the dump might not be encrypted: ${REASON}`,
  };

  test.each(NOT_ENCRYPTED)(
    'refuses a target that is encrypted on %s, and writes nothing',
    async (encrypted) => {
      target(encrypted);
      const { output, directory } = freshOutput();
      const error = await failureOf({ input: plain, output, dumpLevel: 31, requireEncryptedTarget: true });
      expect(error).toMatchObject({ code: 'UNENCRYPTED', exitCode: 1, message: SENTENCES[encrypted] });
      expect(error.hint).toContain(`\`smelt luks status ${output}\``);
      expect(readdirSync(directory)).toEqual([]);
      expect(luksStatus).toHaveBeenCalledExactlyOnceWith(output);
    },
  );

  test('refuses before the input is even opened, and leaves a file that is there as it was', async () => {
    target('none');
    const { output, directory } = freshOutput();
    writeFileSync(output, 'of yesterday');
    const run = { output, overwrite: true, requireEncryptedTarget: true };
    expect(await failureOf({ ...run, input: join(dir, 'no such file') })).toMatchObject({
      code: 'UNENCRYPTED',
    });
    expect(await failureOf({ ...run, input: '/proc/self/mem' })).toMatchObject({ code: 'UNENCRYPTED' });
    expect(readdirSync(directory)).toEqual(['dump']);
    target('all legs');
    expect(await failureOf({ ...run, input: join(dir, 'no such file') })).toMatchObject({
      code: 'INPUT_OPEN',
    });
  });

  test('refuses in a dry run too', async () => {
    target('unknown');
    const { output, directory } = freshOutput();
    const error = await failureOf({ input: plain, output, dryRun: true, requireEncryptedTarget: true });
    expect(error.code).toBe('UNENCRYPTED');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('lets a dump be written where all of it is encrypted, and asks once', async () => {
    target('all legs');
    const { output, directory } = freshOutput();
    const { report } = await runDump({ input: masked, output, dumpLevel: 31, requireEncryptedTarget: true });
    expect(report.warnings).toEqual([]);
    expect(report.targetProtection).toEqual({ encrypted: 'all legs', why: REASON });
    expect(readdirSync(directory)).toEqual(['dump']);
    expect(luksStatus).toHaveBeenCalledExactlyOnceWith(output);
    checkPages(parseKdump(output), maskedCore, maskedCore.expected.kept(31));
  });

  test.each(NOT_ENCRYPTED)(
    'refuses what is open for writing and is encrypted on %s, whatever its name said before',
    async (encrypted) => {
      target('all legs');
      vi.mocked(openFileStatus).mockImplementation(async (fd) => {
        // Nothing is in it yet.
        expect(fstatSync(fd).size).toBe(0);
        return { encrypted, why: REASON } as LuksStatus['target'];
      });
      const { output, directory } = freshOutput();
      const error = await failureOf({ input: plain, output, dumpLevel: 31, requireEncryptedTarget: true });
      expect(error).toMatchObject({ code: 'UNENCRYPTED', message: SENTENCES[encrypted] });
      expect(readdirSync(directory)).toEqual([]);
    },
  );

  test('says of a dump of plain memory, too, what its target is', async () => {
    target('all legs');
    const { output } = freshOutput();
    const { report } = await runDump({ input: plain, output, requireEncryptedTarget: true });
    expect(report.targetProtection).toEqual({ encrypted: 'all legs', why: REASON });
  });

  test('goes by what the disks of this machine are', async () => {
    vi.mocked(luksStatus).mockImplementation(realStatus);
    const { output } = freshOutput();
    const { encrypted, why } = (await realStatus(output)).target;
    const run = { input: plain, output, dumpLevel: 31, requireEncryptedTarget: true };
    if (encrypted === 'all legs') {
      expect((await runDump(run)).report.targetProtection).toEqual({ encrypted, why });
    } else {
      const error = await failureOf(run);
      expect(error.code).toBe('UNENCRYPTED');
      expect(error.message.endsWith(`: ${why}`)).toBe(true);
    }
    expect(existsSync(output)).toBe(encrypted === 'all legs');
  });
});

describe('smelt -R --require-encrypted-target', () => {
  const content = Buffer.from('a dump');

  /** A flattened stream that says how much of it was taken. */
  function stream(): ByteStream & { taken: number } {
    const flat = encodeFlattened(recordsOf(content, 4));
    return {
      name: 'the stream',
      taken: 0,
      isFile: () => false,
      async read(most) {
        const piece = flat.subarray(this.taken, this.taken + most);
        this.taken += piece.length;
        return piece;
      },
    };
  }
  const run = (output: string, from: ByteStream) =>
    rearrange(
      { output, overwrite: true, keepIncomplete: true, requireEncryptedTarget: true },
      from,
      () => {},
      new AbortController().signal,
    );

  test.each(NOT_ENCRYPTED)(
    'refuses a target that is encrypted on %s before anything is read, and leaves what is there',
    async (encrypted) => {
      target(encrypted);
      const { output, directory } = freshOutput();
      writeFileSync(output, 'of yesterday');
      const from = stream();
      await expect(run(output, from)).rejects.toMatchObject({ code: 'UNENCRYPTED', exitCode: 1 });
      expect(from.taken).toBe(0);
      expect(readdirSync(directory)).toEqual(['dump']);
      expect(readFileSync(output, 'utf8')).toBe('of yesterday');
    },
  );

  test.each(NOT_ENCRYPTED)(
    'refuses what is open for writing and is encrypted on %s, and leaves no part of it',
    async (encrypted) => {
      target('all legs');
      vi.mocked(openFileStatus).mockResolvedValue({ encrypted, why: REASON } as LuksStatus['target']);
      const { output, directory } = freshOutput();
      await expect(run(output, stream())).rejects.toMatchObject({ code: 'UNENCRYPTED' });
      expect(readdirSync(directory)).toEqual([]);
    },
  );

  test('writes where all of it is encrypted, and says so', async () => {
    target('all legs');
    const { output } = freshOutput();
    const { targetProtection } = await run(output, stream());
    expect(targetProtection).toEqual({ encrypted: 'all legs', why: REASON });
    expect(readFileSync(output).equals(content)).toBe(true);
  });
});

describe('without being asked', () => {
  const WARNINGS = {
    'some legs': `the memory was encrypted while the machine ran, and its dump will be only in part: ${REASON}; --require-encrypted-target would have refused that`,
    none: `the memory was encrypted while the machine ran, and its dump will not be: ${REASON}; --require-encrypted-target would have refused that`,
    unknown: `the memory was encrypted while the machine ran, and its dump may not be: ${REASON}; --require-encrypted-target would have refused that`,
  };

  test.each(NOT_ENCRYPTED)(
    'a dump of encrypted memory warns of a target that is encrypted on %s, once, and is written',
    async (encrypted) => {
      target(encrypted);
      const { output } = freshOutput();
      const { report } = await runDump({ input: masked, output, dumpLevel: 31 });
      expect(report.warnings).toEqual([WARNINGS[encrypted]]);
      expect(report.targetProtection).toEqual({ encrypted, why: REASON });
      checkPages(parseKdump(output), maskedCore, maskedCore.expected.kept(31));
    },
  );

  test('it warns in a dry run that names its target, and looks at none where there is no name', async () => {
    target('none');
    const run = { input: masked, dumpLevel: 31, dryRun: true };
    const named = await runDump({ ...run, output: freshOutput().output });
    expect(named.report.warnings).toContain(WARNINGS.none);
    vi.mocked(luksStatus).mockClear();
    const { report } = await runDump({ ...run, output: undefined });
    expect(report.warnings).not.toContain(WARNINGS.none);
    expect(report.targetProtection).toBeUndefined();
    expect(luksStatus).not.toHaveBeenCalled();
  });

  test('it does not warn where the target is encrypted', async () => {
    target('all legs');
    const { report } = await runDump({ input: masked, output: freshOutput().output, dumpLevel: 31 });
    expect(report.warnings).toEqual([]);
    expect(report.targetProtection).toEqual({ encrypted: 'all legs', why: REASON });
  });

  test('nobody looks at the target of a dump of plain memory', async () => {
    target('none');
    const { report } = await runDump({ input: plain, output: freshOutput().output, dumpLevel: 31 });
    expect(report.warnings).toEqual([]);
    expect(report.targetProtection).toBeUndefined();
    expect(luksStatus).not.toHaveBeenCalled();
  });
});
