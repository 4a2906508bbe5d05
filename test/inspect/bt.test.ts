/** `smelt bt`'s engine on the real sample: a task whose stack is gone, and CPUs that nothing is known of. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type BtRequest, bt } from '../../src/inspect/bt.ts';
import { ps } from '../../src/inspect/ps.ts';
import { vtop } from '../../src/inspect/vtop.ts';
import { tempFiles } from '../read/temp-files.ts';
import { errorOf, NEVER, QUIET, requestOf } from './looking.ts';

const files = tempFiles();
const ROOT = join(import.meta.dirname, '../..');
const SAMPLE = join(ROOT, 'samples/x86_64-6.1-small.kdump');

const ask = (input: string, which: BtRequest['which']) => bt({ ...requestOf(input), which }, QUIET, NEVER);

/** The sample as an ELF file, with other bytes where a symbol is. */
async function changed(symbol: string, bytes: Uint8Array): Promise<string> {
  const path = files.path('vmcore');
  execFileSync(join(ROOT, 'bin/smelt'), ['-E', '-d', '0', SAMPLE, path], { stdio: 'pipe' });
  const where = { kind: 'symbol', name: symbol, offset: 0 } as const;
  const { walk } = await vtop({ ...requestOf(path), where }, QUIET, NEVER);
  const file = readFileSync(path);
  const headers = Number(file.readBigUInt64LE(32));
  for (let at = headers; at < headers + 56 * file.readUInt16LE(56); at += 56) {
    const [offset, paddr, size] = [8, 24, 32].map((field) => Number(file.readBigUInt64LE(at + field)));
    if (file.readUInt32LE(at) === 1 && walk.paddr! >= paddr! && walk.paddr! < paddr! + size!)
      file.set(bytes, offset! + walk.paddr! - paddr!);
  }
  writeFileSync(path, file);
  return path;
}

describe('the stack of a task that ended', () => {
  it('is guessed: it was given back, and may be of another', async () => {
    const { stacks } = await ask(SAMPLE, { kind: 'these', whom: [{ kind: 'pid', pid: 123 }] });
    expect(stacks).toMatchObject([{ task: { state: 'ZO' }, problem: expect.stringContaining('ended') }]);
    const { frames } = stacks[0]!;
    expect(frames.length).toBeGreaterThan(3);
    expect(frames.every(({ isGuess }) => isGuess)).toBe(true);
  });
});

describe('a dump of a machine that did not panic', () => {
  it('begins with its first CPU, and is told where the others are', async () => {
    const { stacks, warnings } = await ask(SAMPLE, { kind: 'crashed' });
    expect(stacks.map(({ task }) => task.cpu)).toEqual([0]);
    expect(warnings).toEqual([
      expect.stringMatching(/^no CPU panicked: this is CPU 0; `smelt bt --all .*` shows each$/),
    ]);
    expect((await ask(SAMPLE, { kind: 'these', whom: [{ kind: 'cpu', cpu: 0 }] })).warnings).toEqual([]);
  });
});

describe('the CPUs', () => {
  it('are shown where one of them was never brought up, which is said', async () => {
    const path = await changed('__cpu_present_mask', Buffer.from([0x7]));
    const { stacks, warnings } = await ask(path, { kind: 'every CPU' });
    expect(stacks.map(({ task }) => task.cpu)).toEqual([0, 1]);
    expect(warnings).toEqual(['nothing says what CPU 2 ran']);
    expect((await errorOf(ask(path, { kind: 'these', whom: [{ kind: 'cpu', cpu: 2 }] }))).code).toBe(
      'NO_TASK',
    );
  });

  it('are not left out without a word where none is known', async () => {
    const path = await changed('__cpu_present_mask', Buffer.alloc(8));
    expect((await errorOf(ask(path, { kind: 'every CPU' }))).message).toContain('which CPUs there were');
    const { warnings } = await ps(requestOf(path), QUIET, NEVER);
    expect(warnings.join()).toContain('the CPUs cannot be told');
  });
});
