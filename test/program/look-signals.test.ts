/** What looks into a dump for minutes ends as soon as it is told to, and leaves nothing behind. */
import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, test } from 'vitest';
import { writeElfCore } from '../build/elf.ts';
import { vmcoreinfoNote } from '../build/notes.ts';
import { checkFailure, failureOf, namesIn, scratch, start } from './smelt.ts';

const dir = scratch();
const large = join(dir, 'large');
const TIB = 2 ** 40;

beforeAll(() => {
  // One large hole: nobody gets through that in the time of a test.
  writeElfCore(large, {
    notes: vmcoreinfoNote('OSRELEASE=6.1.0\n'),
    loads: [{ paddr: 0, memsz: TIB, filesz: TIB }],
  });
  truncateSync(large, TIB + 2 ** 20);
});

test.each([
  ['SIGTERM', 'verify', [large]],
  ['SIGINT', 'verify', ['--num-threads', '0', large]],
  ['SIGTERM', 'diff', [large, large]],
  ['SIGINT', 'diff', ['--num-threads', '0', large, large]],
  ['SIGHUP', 'read', [large, '0', '1T']],
] as const)('%s ends smelt %s %s in a sentence', async (signal, command, options) => {
  const { child, ended } = start(command, '--json', ...options);
  await sleep(1500);
  expect(child.exitCode).toBeNull();
  const sent = performance.now();
  child.kill(signal);
  const result = await ended;
  expect(checkFailure(result)).toBe(`smelt: interrupted by ${signal}`);
  expect(failureOf(result).error).toMatchObject({ code: 'INTERRUPTED', exitCode: 1 });
  // Not a measurement: without a look at the signal it would be minutes.
  expect(performance.now() - sent).toBeLessThan(5000);
  expect(namesIn(dir)).toEqual(['large']);
});
