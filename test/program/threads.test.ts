import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { CODEC_OF_LETTER } from '../../src/cli/options.ts';
import { CODEC_NAMES } from '../../src/codec/codec.ts';
import type { BuiltVmcore } from '../build/vmcore.ts';
import { makersHere, noNative } from '../native-parts.ts';
import { checkLayout, checkPages, trimmed } from '../workers/check-dump.ts';
import { buildEveryKind, everyKind } from '../workers/every-kind.ts';
import { FLAG, parseKdump } from './parse-kdump.ts';
import { checkFailure, namesIn, reportOf, run, SMELT, scratch, smelt } from './smelt.ts';

const makers = await makersHere(CODEC_NAMES);

const dir = scratch();
const input = join(dir, 'core');
let core: BuiltVmcore;

beforeAll(() => {
  // Enough memory for several windows a thread, and a huge page that reaches over the borders of some.
  const pages = [
    ...everyKind('6.12'),
    { pfn: 16384, kind: 'hugetlb' as const, order: 14, data: 'text' as const },
    { pfn: 33000, kind: 'cache' as const, count: 3000, data: 'random' as const },
    { pfn: 36864, kind: 'kernel' as const, count: 5000, data: 'text' as const },
  ];
  core = buildEveryKind({ path: input, kernel: '6.12', ram: [{ start: 0, end: 192 * 2 ** 20 }], pages });
});

const letterOf = (codec: string): string =>
  Object.entries(CODEC_OF_LETTER).find(([, name]) => name === codec)![0];

const unwrapped = (text: string): string => text.replace(/\s+/g, ' ');

let outputs = 0;
function dumpWith(...args: string[]) {
  const output = join(dir, `out-${outputs++}`);
  const result = smelt('--json', '--quiet', ...args, input, output);
  expect(result).toMatchObject({ status: 0, stderr: '' });
  return { dump: parseKdump(output), report: reportOf(result) };
}

describe.each([0, 31])('at level %i', (level) => {
  test.each([0, 1, 2, 4])('%i threads keep the right pages, whole', (threads) => {
    const { dump, report } = dumpWith('-z', '-d', `${level}`, '--num-threads', `${threads}`);
    expect(report.threads).toBe(Math.max(1, threads));
    checkPages(dump, core, core.expected.kept(level));
    checkLayout(dump, FLAG.zstd);
    expect(trimmed(dump.bitmap1)).toEqual(trimmed(core.expected.ram));
    const { kept, ...dropped } = core.expected.counts(level);
    expect(report.classes).toEqual({ ...dropped, shared: 0, undecided: 0, kernel: kept - dropped.zero });
  });
});

describe('two threads', () => {
  test.each(makers)('write whole pages with %s by the %s maker', (codec, kind) => {
    const { dump, report } = dumpWith(
      `-${letterOf(codec)}`,
      '--codec-maker',
      kind,
      '-d',
      '31',
      '--num-threads',
      '2',
    );
    checkPages(dump, core, core.expected.kept(31));
    checkLayout(dump, FLAG[codec]);
    expect(report.output.codecMaker).toContain(`(${kind})`);
  });

  test.each([
    // Without native code the option is heard and the file is read.
    ['--mmap', noNative === undefined],
    ['--non-mmap', false],
  ])('do so with %s', (option, mmap) => {
    const { dump, report } = dumpWith(option, '-l', '-d', '3', '--num-threads', '2');
    expect(report.mmap).toBe(mmap);
    checkPages(dump, core, core.expected.kept(3));
    checkLayout(dump, FLAG.lzo);
  });

  test('filter a dump of their own further', () => {
    const first = join(dir, 'first');
    expect(smelt('-c', '-d', '1', '--num-threads', '2', input, first).status).toBe(0);
    const output = join(dir, 'second');
    expect(smelt('-p', '-d', '31', '--num-threads', '2', first, output).status).toBe(0);
    checkPages(parseKdump(output), core, core.expected.kept(31));
    checkLayout(parseKdump(output), FLAG.snappy);
  });
});

test('what a person sees is the summary, on stderr alone', () => {
  const result = smelt('-z', '-d', '31', '--num-threads', '2', input, join(dir, 'seen'));
  expect(result).toMatchObject({ status: 0, stdout: '' });
  expect(result.stderr).toContain(`dump complete: ${join(dir, 'seen')}`);
  expect(result.stderr).not.toMatch(/warning/);
});

test('a run whose threads the system refuses does all work in one, and says so', (context) => {
  if (process.getuid?.() !== 0) context.skip('only root can become a user with a limit on processes');
  const theirs = join(dir, 'theirs');
  mkdirSync(theirs);
  chmodSync(dir, 0o755);
  chmodSync(theirs, 0o777);
  const limited = (threads: string) => {
    const output = join(theirs, `out-${threads}`);
    const shell = `ulimit -c 0 -u 16; exec "$@" -d 31 --num-threads ${threads} ${input} ${output}`;
    const node = [process.execPath, SMELT];
    return run(['setpriv', '--reuid=64999', '--clear-groups', 'bash', '-c', shell, 'bash', ...node]);
  };
  const alone = limited('0');
  if (alone.status !== 0) context.skip(`smelt does not run as another user here: ${alone.stderr}`);
  const refused = limited('12');
  expect(unwrapped(refused.stderr)).toMatch(
    /warning: 11 worker threads cannot be used \(.+\): all work is done in/,
  );
  expect(refused.status).toBe(0);
  expect(namesIn(theirs)).toEqual(['out-0', 'out-12']);
});

test('a run whose thread ends while it writes says that memory may have run out, and what to do', () => {
  // Preloaded by each thread: a worker that is about to write a piece of pages is gone.
  const hook = join(dir, 'end.cjs');
  writeFileSync(
    hook,
    `const fs = require('node:fs'), write = fs.writeSync;
    if (!require('node:worker_threads').isMainThread)
      fs.writeSync = (...args) => (args[1].length > 100_000 ? process.exit(9) : write(...args));`,
  );
  const output = join(dir, 'ended');
  const options = ['--num-threads', '4', '-d', '0', '-f', input, output];
  // Who comes too late finds nothing to write.
  for (let tries = 0; tries < 10; tries++) {
    const result = run(['env', `NODE_OPTIONS=--require ${hook}`, process.execPath, SMELT, ...options]);
    if (result.status === 0) continue;
    const said = checkFailure(result);
    expect(said).toContain('a worker thread ended in the middle of its work and did not say why');
    expect(said).toContain('Memory may have run out');
    expect(said).toContain('--num-threads 1');
    return;
  }
  expect.fail('no thread ended');
});

test('a run whose threads die of too little memory does all work in one, and says so', () => {
  // The built program with another limit: there is no kinder way to make a thread die.
  const copy = join(dir, 'starved');
  mkdirSync(copy);
  const root = dirname(dirname(SMELT));
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  // The bundler decides which of its files has it.
  const [engine] = readdirSync(join(copy, 'dist'))
    .filter((name) => name.endsWith('.cjs'))
    .map((name) => join(copy, 'dist', name))
    .filter((path) => readFileSync(path, 'utf8').includes('maxOldGenerationSizeMb: 48'));
  const starved = readFileSync(engine, 'utf8').replace(
    /maxOldGenerationSizeMb: \d+/,
    'maxOldGenerationSizeMb: 1',
  );
  expect(starved).toMatch(/maxOldGenerationSizeMb: 1\b/);
  writeFileSync(engine, starved);
  const output = join(dir, 'starved.out');
  // Work enough that the thread's death comes before its end.
  const args = ['-c', '--compression-level', '9', '-d', '31', '--num-threads', '2', input, output];
  const result = run([process.execPath, join(copy, 'bin/smelt'), ...args]);
  expect(unwrapped(result.stderr)).toMatch(
    /warning: 1 worker thread cannot be used \(.+\): all work is done in/,
  );
  expect(result.status).toBe(0);
  checkPages(parseKdump(output), core, core.expected.kept(31));
});
