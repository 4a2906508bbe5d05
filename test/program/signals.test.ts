import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BuiltVmcore } from '../build/vmcore.ts';
import { noNative } from '../native-parts.ts';
import { wholePagesOf } from '../workers/check-dump.ts';
import { buildEveryKind } from '../workers/every-kind.ts';
import { FLAG, INCOMPLETE, parseKdump } from './parse-kdump.ts';
import { checkFailure, failureOf, namesIn, type Running, scratch, smelt, start, until } from './smelt.ts';

const dir = scratch();
const input = join(dir, 'core');
const out = join(dir, 'out');
const path = join(out, 'dump');
const incomplete = `${path}.incomplete`;
let core: BuiltVmcore;

beforeAll(() => {
  core = buildEveryKind({
    path: input,
    ram: [{ start: 0, end: 256 * 2 ** 20 }],
    pages: [{ pfn: 8192, kind: 'kernel', count: 40000, data: 'text' }],
  });
});
beforeEach(() => {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
});

/** A run that takes many seconds, sent a signal when it has written pages. */
async function interrupted(signal: NodeJS.Signals, ...options: string[]) {
  // zlib at its slowest: a fifth to a third of a millisecond a page.
  const running = start(
    '--json',
    '-c',
    '--compression-level',
    noNative === undefined ? '12' : '9',
    ...options,
    input,
    path,
  );
  await pagesWritten(running);
  const sent = performance.now();
  running.child.kill(signal);
  const result = await running.ended;
  return { result, ms: performance.now() - sent };
}

/** The headers, bitmaps and descriptors of these 65,536 pages take less than this. */
const DATA_BYTES = 1.6 * 2 ** 20;
/** So much that every thread has begun its second write, and finished the first with its descriptors. */
const SEVERAL_WRITES = 1_000_000;

async function pagesWritten({ child }: Running): Promise<void> {
  const enough = () => existsSync(incomplete) && statSync(incomplete).size > DATA_BYTES + SEVERAL_WRITES;
  await until(() => enough() || child.exitCode !== null, 'page data');
  if (child.exitCode !== null) throw new Error('the run was over too soon');
}

/** What is left says that it is incomplete, and its pages are those of the machine or missing. */
function checkLeft(): void {
  const dump = parseKdump(incomplete);
  expect(dump.status).toBe(FLAG.zlib | INCOMPLETE);
  expect(dump.vmcoreinfo).toBe(core.vmcoreinfoText);
  expect(dump.descriptors.size).toBe(core.expected.counts(1).kept);
  const there = wholePagesOf(dump, core);
  expect(there).toBeGreaterThan(0);
  expect(there).toBeLessThan(dump.descriptors.size);
}

describe.each(['0', '2'])('with %s threads', (threads) => {
  const options = ['-d', '1', '--num-threads', threads];

  test.each(['SIGINT', 'SIGTERM'] as const)('%s ends a run at once and leaves nothing', async (signal) => {
    const { result, ms } = await interrupted(signal, ...options);
    expect(checkFailure(result)).toBe(
      `smelt: interrupted by ${signal} What was written is removed; --keep-incomplete would have kept it.`,
    );
    expect(failureOf(result).error).toMatchObject({ code: 'INTERRUPTED', exitCode: 1 });
    expect(namesIn(out)).toEqual([]);
    // Not a measurement: the run would take far longer than this if nobody looked at the signal.
    expect(ms).toBeLessThan(5000);
  });

  test('--keep-incomplete leaves a part that can be read', async () => {
    const { result } = await interrupted('SIGINT', ...options, '--keep-incomplete');
    expect(checkFailure(result)).toContain(`What was written is in ${incomplete}, marked incomplete`);
    expect(namesIn(out)).toEqual(['dump.incomplete']);
    checkLeft();
  });

  test('a run that is killed leaves a part that says so, and never the name', async () => {
    const { result } = await interrupted('SIGKILL', ...options);
    expect(result).toMatchObject({ status: null, signal: 'SIGKILL' });
    expect(namesIn(out)).toEqual(['dump.incomplete']);
    checkLeft();
  });
});

test('an interrupted run with -f leaves the dump alone that it would have replaced', async () => {
  expect(smelt('-d', '31', input, path).status).toBe(0);
  const before = statSync(path);
  await interrupted('SIGINT', '-d', '1', '--num-threads', '2', '-f');
  expect(namesIn(out)).toEqual(['dump']);
  expect(statSync(path)).toMatchObject({ ino: before.ino, size: before.size, mtimeMs: before.mtimeMs });
});
