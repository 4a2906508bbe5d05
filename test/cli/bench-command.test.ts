import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { BenchEngine } from '../../src/cli/host.ts';
import { run } from '../../src/cli/main.ts';
import { SmeltError } from '../../src/errors.ts';
import { sampleBench } from './bench-report.ts';
import { fakeHost, sampleInput } from './fake-host.ts';

const WARNING = 'the work directory is in memory';
const dir = mkdtempSync(join(tmpdir(), 'smelt-test-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const bench: BenchEngine = async (_request, observer) => {
  observer.onWorkDir('/tmp/smelt-bench-x');
  observer.onInput(sampleInput());
  observer.onStep({ part: 'codecs', detail: 'zstd 3, native', round: 2, rounds: 5 });
  observer.onWarning(WARNING);
  return sampleBench({ warnings: [WARNING] });
};

async function smelt(line: string, options: Parameters<typeof fakeHost>[0] = {}) {
  const host = fakeHost({ bench, ...options });
  const code = await run(line.split(' '), host);
  expect(host.listeners.size).toBe(0);
  return { code, stdout: host.stdout.text, stderr: host.stderr.text, screen: host.stderr.screen };
}

describe('smelt bench', () => {
  test('shows the table on stdout, and the input, what is measured, and warnings on stderr', async () => {
    const { code, stdout, stderr, screen } = await smelt('bench vmcore', { columns: 80 });
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nadvice: .*\n\nwarning: [^\n]*\n$/s);
    expect(screen[0]).toMatch(/^vmcore {2}ELF/);
    expect(stderr).toContain('\r  codecs        round 2 of 5    zstd 3, native');
    expect(screen.join('\n')).not.toContain('zstd 3');
    expect(stderr.endsWith(`warning: ${WARNING}\n`)).toBe(true);
  });

  test('says the input and warnings once where both streams end on one terminal, and in the table at least', async () => {
    const times = (text: string, part: string) => text.split(part).length - 1;
    const both = await smelt('bench vmcore', { columns: 80, stdoutColumns: 80 });
    expect(times(both.stdout + both.stderr, ' of RAM')).toBe(1);
    expect(both.stderr).toMatch(/^vmcore {2}ELF/);
    expect(times(both.stdout, WARNING) + times(both.stderr, WARNING)).toBe(1);
    for (const options of [{}, { columns: 80 }, { stdoutColumns: 80 }]) {
      const { stdout, stderr } = await smelt('bench vmcore', options);
      for (const text of [stdout, stderr])
        expect([times(text, ' of RAM'), times(text, WARNING)]).toEqual([1, 1]);
    }
    const quiet = await smelt('bench --quiet vmcore', { columns: 80, stdoutColumns: 80 });
    expect([times(quiet.stdout, ' of RAM'), times(quiet.stdout, WARNING), quiet.stderr]).toEqual([1, 1, '']);
  });

  test('has one object on stdout with --json, with each round in it', async () => {
    const { stdout } = await smelt('bench --json vmcore');
    const { smelt: version, command, report } = JSON.parse(stdout);
    expect({ version, command }).toEqual({ version: 1, command: 'bench' });
    expect(report.parts.codecs[0].compressBytesPerSecond.rounds).toEqual([5e8, 4.5e8, 6e8]);
    expect(report.peer).toBeNull();
  });

  test('draws a picture, and never over a file that it was not told to', async () => {
    const path = join(dir, 'a.svg');
    expect((await smelt(`bench vmcore --chart ${path}`)).code).toBe(0);
    expect(readFileSync(path, 'utf8')).toMatch(/^<svg .*<\/svg>\n$/s);
    writeFileSync(path, 'mine');
    const again = await smelt(`bench vmcore --chart ${path}`);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('a.svg: already exists\n       -f overwrites it.');
    expect(readFileSync(path, 'utf8')).toBe('mine');
    expect((await smelt(`bench vmcore -f --chart ${path}`)).code).toBe(0);
    expect(readFileSync(path, 'utf8')).toMatch(/^<svg/);
    mkdirSync(join(dir, 'd.svg'));
    expect((await smelt(`bench vmcore -f --chart ${dir}/d.svg`)).stderr).toContain('is not a regular file');
    expect((await smelt(`bench vmcore --chart ${dir}/c.png`)).stderr).toContain('ends in .svg');
    expect((await smelt(`bench vmcore --chart ${dir}/no/b.svg`)).stderr).toContain('there is no directory');
    expect(existsSync(`${dir}/no`)).toBe(false);
  });

  test('tells a failure with its exit code, to programs as well', async () => {
    const failing: BenchEngine = async (_request, observer) => {
      observer.onWarning(WARNING);
      throw new SmeltError('PEER', 'makedumpfile: exit code 1: no', { hint: 'Look.' });
    };
    const { code, stdout, stderr } = await smelt('bench --json --peer makedumpfile vmcore', {
      bench: failing,
    });
    expect(code).toBe(1);
    expect(stderr).toBe(`warning: ${WARNING}\nsmelt: makedumpfile: exit code 1: no\n       Look.\n`);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'PEER' }, warnings: [WARNING] });
  });

  test('ends when it is interrupted, and says what a second Ctrl-C may leave behind', async () => {
    let letGo = (_error: unknown): void => {};
    const waiting: BenchEngine = (_request, observer) =>
      new Promise((_resolve, reject) => {
        observer.onWorkDir('/tmp/smelt-bench-x');
        letGo = reject;
      });
    const host = fakeHost({ bench: waiting });
    const running = run(['bench', 'vmcore'], host);
    await expect.poll(() => host.listeners.size).toBe(1);
    await expect.poll(() => letGo.length).toBe(1);
    host.send('SIGINT');
    host.send('SIGINT');
    expect(host.exits).toEqual([130]);
    letGo(new Error('gone'));
    expect(await running).toBe(1);
    expect(host.stderr.text).toContain('stopped at once; /tmp/smelt-bench-x may be left behind');
    expect(host.stderr.text).toContain('smelt: interrupted by SIGINT');
  });
});
