import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { BuiltVmcore } from '../build/vmcore.ts';
import { noNative } from '../native-parts.ts';
import { wholePagesOf } from '../workers/check-dump.ts';
import { buildEveryKind } from '../workers/every-kind.ts';
import { FLAG, INCOMPLETE, parseKdump } from './parse-kdump.ts';
import { cannotMount, onSmallDisk } from './small-disk.ts';
import { checkFailure, failureOf, namesIn, run, scratch, smelt, smeltAfter } from './smelt.ts';

const dir = scratch();
const input = join(dir, 'core');
const out = join(dir, 'out');
const left = join(out, 'dump.incomplete');
let core: BuiltVmcore;

beforeAll(() => {
  core = buildEveryKind({
    path: input,
    ram: [{ start: 0, end: 128 * 2 ** 20 }],
    pages: [
      { pfn: 8192, kind: 'kernel', count: 3000, data: 'random' },
      { pfn: 12000, kind: 'kernel', count: 3000, data: 'text' },
    ],
  });
});
beforeEach(() => {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
});

const withRoom = (size: string, ...args: string[]) => onSmallDisk(size, out, ...args, 'dump');

const wholePages = () => wholePagesOf(parseKdump(left), core);

describe.each(['0', '2'])('where there is no room, with %s threads,', (threads) => {
  test.for([
    // One page of memory holds the main header alone; two both headers; five the bitmaps; descriptors take 786,432 bytes.
    { part: 'the headers', size: '4k', what: /cannot be written/, parsed: false, pages: 0 },
    { part: 'the first bitmap', size: '8k', what: /cannot be written/, parsed: true, pages: 0 },
    {
      part: 'the second bitmap',
      size: '12k',
      what: /[kM]?B behind the first .*B cannot be written/,
      parsed: true,
      pages: 0,
    },
    {
      part: 'the descriptors',
      size: '200k',
      what: /room for the page descriptors cannot be had/,
      parsed: true,
      pages: 0,
    },
    {
      part: 'the first pages',
      size: '792k',
      what: /[kM]?B behind the first .*B cannot be written/,
      parsed: true,
      pages: 0,
    },
    {
      part: 'the last pages',
      size: '12m',
      what: /[kM]?B behind the first .*B cannot be written/,
      parsed: true,
      pages: 1000,
    },
  ])(
    'for $part the run fails in one sentence and leaves what it has',
    ({ size, what, parsed, pages }, context) => {
      if (cannotMount) context.skip(cannotMount);
      if (noNative && size === '200k') context.skip(`no room is reserved: ${noNative}`);
      const result = withRoom(size, '--json', '-z', '-d', '1', '--num-threads', threads, input);
      const said = checkFailure(result);
      expect(said).toMatch(what);
      expect(said).toContain('no space left on the device (ENOSPC) Make room or write to another place');
      expect(said).toContain('A smaller dump is made with -d 31 --dedup.');
      expect(said.match(/smelt: /g)).toHaveLength(1);
      expect(failureOf(result).error).toMatchObject({ code: 'WRITE', exitCode: 1 });
      expect(namesIn(out)).toEqual(['dump.incomplete']);
      expect(statSync(left).mode & 0o777).toBe(0o600);
      expect(readFileSync(left).readUInt32LE(424)).toBe(FLAG.zstd | INCOMPLETE);
      if (parsed) expect(wholePages()).toBeGreaterThanOrEqual(pages);
      expect(said.includes('crash opens it')).toBe(size === '792k' || size === '12m');
    },
  );
});

describe('what is left of a dump that had no room', () => {
  test('is filtered further as far as it goes', (context) => {
    if (cannotMount) context.skip(cannotMount);
    expect(withRoom('12m', '-c', '-d', '1', '--num-threads', '2', input).status).toBe(1);
    const rest = join(dir, 'rest');
    expect(smelt('-f', '-d', '31', left, rest).status).toBe(0);
    expect(parseKdump(rest).status & INCOMPLETE).toBe(INCOMPLETE);
  });

  test('is known by crash', (context) => {
    if (cannotMount) context.skip(cannotMount);
    if (run(['bash', '-c', 'command -v crash']).status !== 0) context.skip('crash is not installed');
    expect(withRoom('12m', '-c', '-d', '1', '--num-threads', '2', input).status).toBe(1);
    expect(run(['crash', '--osrelease', left]).stdout.trim()).toBe('6.1.0-smelt');
  });

  test('does not get in the way of a second run elsewhere', (context) => {
    if (cannotMount) context.skip(cannotMount);
    expect(withRoom('200k', '-d', '1', input).status).toBe(1);
    const again = join(out, 'dump');
    expect(checkFailure(smelt('-d', '31', input, again))).toContain('dump.incomplete: already exists');
    expect(smelt('-f', '-z', '-d', '31', input, again).status).toBe(0);
    expect(readdirSync(out)).toEqual(['dump']);
  });
});

describe('a limit on the size of files ends in a sentence, not in a signal', () => {
  test.for([
    { blocks: 1, what: /kB behind the first 1\.0 kB cannot be written/ },
    { blocks: 100, what: /room for the page descriptors cannot be had/ },
    { blocks: 5000, what: /[kM]?B behind the first .*B cannot be written/ },
  ])('of $blocks KiB', ({ blocks, what }, context) => {
    if (noNative && blocks === 100) context.skip(`no room is reserved: ${noNative}`);
    for (const threads of ['0', '2']) {
      const args = ['-z', '-d', '1', '--num-threads', threads, input, join(out, 'dump')];
      const result = smeltAfter(`ulimit -f ${blocks}`, ...args);
      const said = checkFailure(result);
      expect(said).toMatch(what);
      expect(said).toContain('larger than the file system or the limit allows (EFBIG)');
      expect(namesIn(out)).toEqual(['dump.incomplete']);
      expect(readFileSync(left).readUInt32LE(424)).toBe(FLAG.zstd | INCOMPLETE);
      if (blocks > 1) wholePages();
      rmSync(left);
    }
  });
});
