import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { rearrange, writtenTwice } from '../build/parse-flattened.ts';
import { parseElf } from '../build/parse-image.ts';
import type { BuiltVmcore } from '../build/vmcore.ts';
import { checkLayout, checkPages } from '../workers/check-dump.ts';
import { buildEveryKind, everyKind } from '../workers/every-kind.ts';
import { FLAG, INCOMPLETE, parseKdump } from './parse-kdump.ts';
import { cannotMount, onSmallDisk } from './small-disk.ts';
import {
  checkFailure,
  failureOf,
  namesIn,
  type ProgramResult,
  reportOf,
  run,
  SMELT,
  scratch,
  smelt,
  until,
} from './smelt.ts';

const dir = scratch();
const input = join(dir, 'core');
const out = join(dir, 'out');
const path = join(out, 'dump');
let core: BuiltVmcore;

beforeAll(() => {
  const pages = [
    ...everyKind('6.12'),
    { pfn: 33000, kind: 'cache' as const, count: 3000, data: 'random' as const },
    { pfn: 36864, kind: 'kernel' as const, count: 5000, data: 'text' as const },
    { pfn: 42000, kind: 'kernel' as const, count: 3000, data: 'random' as const },
  ];
  core = buildEveryKind({ path: input, kernel: '6.12', ram: [{ start: 0, end: 192 * 2 ** 20 }], pages });
});
beforeEach(() => {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
});

const NO_END_MARK = 'What was written of the stream has no end mark: it is not a whole dump.';

/** Runs it with standard output to where the shell says; the stream, and what was said. */
function streamed(to: string, ...args: string[]): ProgramResult {
  const script = `set -o pipefail; "$@" ${to}`;
  return run(['bash', '-c', script, 'bash', process.execPath, SMELT, '-F', ...args, input]);
}

describe.each([1, 2, 3, 4])('a stream by %i threads', (threads) => {
  const number = ['--num-threads', `${threads}`];

  test.each(['file', 'pipe'])('to a %s is a dump, whose records are whole', (kind) => {
    const stream = join(dir, 'stream');
    const to = kind === 'file' ? `> ${stream}` : `| cat > ${stream}`;
    expect(streamed(to, '--quiet', '-z', '-d', '31', ...number)).toMatchObject({ status: 0, stderr: '' });
    const put = rearrange(readFileSync(stream));
    expect(put.whole).toBe(true);
    expect(writtenTwice(put)).toBe(0);
    writeFileSync(path, put.file);
    const dump = parseKdump(path);
    checkPages(dump, core, core.expected.kept(31));
    checkLayout(dump, FLAG.zstd);
  });

  test('of ELF is the file, byte for byte', () => {
    const stream = join(dir, 'stream');
    expect(streamed(`| cat > ${stream}`, '--quiet', '-E', '-d', '31', ...number).status).toBe(0);
    expect(smelt('--quiet', '-E', '-d', '31', ...number, input, path).status).toBe(0);
    const put = rearrange(readFileSync(stream));
    expect(put.whole).toBe(true);
    expect(writtenTwice(put)).toBe(0);
    expect(put.file.equals(readFileSync(path))).toBe(true);
  });
});

test('of several levels a stream has the first, with a warning', () => {
  const stream = join(dir, 'stream');
  const { status, stderr } = streamed(`> ${stream}`, '--quiet', '-z', '-d', '1,31');
  expect(status).toBe(0);
  expect(stderr.replaceAll(/\s+/g, ' ')).toBe(
    'warning: of several levels only 1 is tried: what went to a stream cannot be taken back ',
  );
  writeFileSync(path, rearrange(readFileSync(stream)).file);
  checkPages(parseKdump(path), core, core.expected.kept(1));
});

test('a dry run of a stream writes nothing there', () => {
  const { status, stdout, stderr } = smelt('--dry-run', '-F', '-z', '-d', '31', input);
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  expect(stderr).toContain('dry run: nothing was written\n');
  const refused = smelt('--dry-run', '-F', '--require-encrypted-target', '-z', input);
  expect(checkFailure(refused)).toContain('standard output is a pipe or a socket');
});

test.each([
  ['exists', 'dump', [], 'dump: already exists (-f overwrites it)'],
  ['exists, with -f', 'dump', ['-f'], ''],
  ['is being written', 'other', [], 'other.incomplete: already exists'],
  ['is in no directory', 'none/dump', [], 'none/dump: cannot be created: no such file'],
  ['is a directory', '.', ['-f'], 'is a directory'],
] as const)('a dry run warns where DUMPFILE %s', (_, name, options, why) => {
  writeFileSync(path, 'precious');
  writeFileSync(join(out, 'other.incomplete'), '');
  const { status, stderr } = smelt('--quiet', '--dry-run', '-d', '31', ...options, input, join(out, name));
  expect(status).toBe(0);
  const said = stderr.replaceAll(/\s+/g, ' ');
  if (why === '') expect(said).toBe('');
  else expect(said).toMatch(/^warning: a run that writes would be refused: /);
  expect(said).toContain(why);
  expect(readFileSync(path, 'utf8')).toBe('precious');
});

test('a stream that is read slowly is whole all the same', () => {
  const stream = join(dir, 'stream');
  const slowly = `python3 -c '
import os, time
with open("${stream}", "wb") as file:
    while piece := os.read(0, 50000):
        file.write(piece)
        time.sleep(0.0005)'`;
  expect(streamed(`| ${slowly}`, '--quiet', '-E', '-d', '1', '--num-threads', '2').status).toBe(0);
  expect(smelt('--quiet', '-E', '-d', '1', input, path).status).toBe(0);
  expect(rearrange(readFileSync(stream)).file.equals(readFileSync(path))).toBe(true);
});

describe.each(['-z', '-E', '--to=raw'])('of a stream with %s', (format) => {
  test.each(['0', '3'])('whose reader leaves, the run says so and ends, with %s threads', (threads) => {
    const result = streamed('| head -c 300000 > /dev/null', format, '-d', '1', '--num-threads', threads);
    const said = checkFailure(result);
    expect(said).toContain('standard output: cannot be written to: the reader of the pipe is gone (EPIPE)');
    expect(said).toContain('What reads the dump has ended: look at what it says.');
    expect(said).toContain(NO_END_MARK);
    expect(said.match(/smelt: /g)).toHaveLength(1);
  });

  test('that has no room, the run says so and ends', () => {
    const said = checkFailure(streamed('> /dev/full', format, '-d', '31', '--num-threads', '2'));
    expect(said).toContain('standard output: cannot be written to: no space left on the device (ENOSPC)');
    expect(said).toContain(NO_END_MARK);
  });
});

describe('a stream that nobody reads', () => {
  test.each([
    ['SIGINT', '0'],
    ['SIGINT', '2'],
    ['SIGTERM', '2'],
  ] as const)('does not keep %s from ending the run with %s threads', async (signal, threads) => {
    const fifo = join(dir, `fifo-${signal}-${threads}`);
    execFileSync('mkfifo', [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const stdout = openSync(fifo, constants.O_WRONLY);
    try {
      const args = [SMELT, '-F', '-z', '-d', '31', '--num-threads', threads, input];
      const child = spawn(process.execPath, args, { stdio: ['ignore', stdout, 'pipe'] });
      let stderr = '';
      child.stderr?.on('data', (chunk) => (stderr += chunk));
      const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
      // The pipe is full when no more goes in: that is the moment.
      await until(() => /compress {2}\d/.test(stderr) || child.exitCode !== null, 'the first pages');
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(child.exitCode).toBe(null);
      const began = performance.now();
      child.kill(signal);
      expect(await ended).toBe(1);
      // Not a measurement: it would take for ever if nobody looked at the signal.
      expect(performance.now() - began).toBeLessThan(5000);
      const said = stderr.slice(stderr.indexOf('smelt: ')).replaceAll(/\s+/g, ' ');
      expect(said).toContain(`smelt: interrupted by ${signal} ${NO_END_MARK}`);
      const piece = Buffer.alloc(2 ** 17);
      const there = piece.subarray(0, readSync(reader, piece));
      expect(rearrange(there).whole).toBe(false);
    } finally {
      closeSync(stdout);
      closeSync(reader);
    }
  });
});

test('a worker that dies with the stream in its hands ends the run, and keeps nobody waiting', () => {
  // The built program, in which a worker ends where it should give the stream back: there is no kinder way to make one die.
  const copy = join(dir, 'dying');
  mkdirSync(copy);
  const root = dirname(dirname(SMELT));
  for (const part of ['bin', 'dist', 'package.json'])
    cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const release = 'Atomics.store(taken, 0, 0);';
  const having = readdirSync(join(copy, 'dist'))
    .filter((name) => name.endsWith('.cjs'))
    .map((name) => join(copy, 'dist', name))
    .filter((file) => readFileSync(file, 'utf8').includes(release));
  expect(having).toHaveLength(1);
  const text = readFileSync(having[0], 'utf8');
  writeFileSync(
    having[0],
    text.replace(release, `if (!require("node:worker_threads").isMainThread) process.exit(3); ${release}`),
  );
  const stream = join(dir, 'stream');
  const result = run([
    'bash',
    '-c',
    `exec timeout 50 "$@" > ${stream}`,
    'bash',
    process.execPath,
    join(copy, 'bin/smelt'),
    ...['-F', '-c', '--compression-level', '9', '-d', '0', '--num-threads', '3', input],
  ]);
  expect(result.status).toBe(1);
  expect(result.stderr.replaceAll(/\s+/g, ' ')).toContain(NO_END_MARK);
  expect(rearrange(readFileSync(stream)).whole).toBe(false);
});

describe.each(['0', '3'])('where there is no room, with %s threads,', (threads) => {
  const options = ['--num-threads', threads, '-d', '1'];

  test.for(['elf', 'raw', 'lime'])('%s fails in one sentence and leaves what it has', (format, context) => {
    if (cannotMount) context.skip(cannotMount);
    const result = onSmallDisk('12m', out, '--json', ...options, '--to', format, input, 'dump');
    const said = checkFailure(result);
    expect(said).toMatch(/dump: [^ ]+ [kM]?B behind the first .*B cannot be written: no space left/);
    expect(said).toContain('pages that are missing in it read as zeros');
    expect(said).toContain('A smaller dump is made with -z -d 31 as a kdump-compressed file.');
    expect(failureOf(result).error).toMatchObject({ code: 'WRITE', exitCode: 1 });
    expect(namesIn(out)).toEqual(['dump.incomplete']);
    if (format === 'elf') expect(parseElf(readFileSync(`${path}.incomplete`)).flags).toBe(1);
  });

  test('split fails in one sentence and leaves all parts, each incomplete', (context) => {
    if (cannotMount) context.skip(cannotMount);
    const result = onSmallDisk('16m', out, ...options, '-c', '--split', input, 'a', 'b', 'c');
    const said = checkFailure(result);
    expect(said).toContain('no space left on the device (ENOSPC)');
    expect(said).toContain(
      'What was written is in a.incomplete, b.incomplete, c.incomplete, marked incomplete;',
    );
    expect(namesIn(out)).toEqual(['a.incomplete', 'b.incomplete', 'c.incomplete']);
    for (const name of namesIn(out))
      expect(readFileSync(join(out, name)).readUInt32LE(424)).toBe(FLAG.zlib | INCOMPLETE);
  });

  test('another level of the list is tried', (context) => {
    if (cannotMount) context.skip(cannotMount);
    const result = onSmallDisk(
      '24m',
      out,
      '--json',
      '--num-threads',
      threads,
      '-c',
      '-d',
      '0,31',
      input,
      'dump',
    );
    expect(result.status).toBe(0);
    expect(reportOf(result).warnings).toEqual(['at level 0 the dump did not fit, and level 31 was tried']);
    expect(namesIn(out)).toEqual(['dump']);
    checkPages(parseKdump(path), core, core.expected.kept(31));
  });
});

/** Of the pages alone. */
const elfBytes = (level: number): number => {
  const { kept, zero } = core.expected.counts(level);
  return (kept - zero) * 4096;
};

test.each(['-E', '--to=raw', '--to=lime'])(
  '%s tells the length of its file and what is stored of it',
  (format) => {
    for (const level of ['0', '31']) {
      const { output, input: of } = reportOf(smelt('--json', '-f', '-d', level, format, input, path));
      const { size, blocks } = statSync(path);
      expect(output).toMatchObject({ sizeBytes: size, storedBytes: Math.min(size, blocks * 512) });
      const dry = reportOf(smelt('--json', '--dry-run', '-d', level, format, input, path)).output;
      expect(dry.files.map(({ path }) => path)).toEqual([path]);
      expect(Math.abs(dry.sizeBytes - size) / size).toBeLessThan(0.05);
      expect(Math.abs(dry.storedBytes - output.storedBytes) / output.storedBytes).toBeLessThan(0.05);
      if (output.storedBytes < 0.9 * size)
        expect(smelt('-f', '-d', level, format, input, path).stderr).toContain(
          `MB of ${of.ramBytes / 2 ** 20}.0 MiB of RAM (${((output.storedBytes / of.ramBytes) * 100).toFixed(1)} %)`,
        );
      else expect(format).toBe('-E');
    }
  },
);

describe.each(['0', '3'])('-L with %s threads', (threads) => {
  const dump = (...args: string[]) => smelt('--json', '--num-threads', threads, ...args);

  test.each([
    // Headers take 12,288 bytes, bitmaps 2 × 8,192, descriptors up to a megabyte.
    { part: 'the bitmaps', limit: '20000', pages: false },
    { part: 'the descriptors', limit: '500000', pages: false },
    { part: 'the pages', limit: '5M', pages: true },
  ])('that ends in $part leaves no more than that, incomplete', ({ limit, pages }) => {
    const result = dump('-c', '-d', '0', '-L', limit, input, path);
    const said = checkFailure(result);
    const typed = limit === '5M' ? limit : `${limit} bytes`;
    expect(said).toContain(`dump: the dump does not fit into the ${typed} of -L`);
    // Headers that do not fit are written before anybody knows which pages are kept.
    const [, takes] = /of -L: it takes about ([0-9.]+) MB Raise the limit\./.exec(said) ?? [];
    if (limit === '20000') expect(takes).toBeUndefined();
    else {
      expect(smelt('--quiet', '-c', '-d', '0', input, `${path}.whole`).status).toBe(0);
      const needed = statSync(`${path}.whole`).size;
      rmSync(`${path}.whole`);
      expect(Math.abs(Number(takes) * 1e6 - needed) / needed).toBeLessThan(0.1);
    }
    expect(said.includes('crash opens it')).toBe(pages);
    expect(failureOf(result).error).toMatchObject({ code: 'TOO_LARGE', exitCode: 1 });
    expect(namesIn(out)).toEqual(['dump.incomplete']);
    const left = readFileSync(`${path}.incomplete`);
    expect(left.readUInt32LE(424)).toBe(FLAG.zlib | INCOMPLETE);
    if (limit !== '20000')
      expect(left.length).toBeLessThanOrEqual(limit === '5M' ? 5 * 2 ** 20 : Number(limit));
  });

  test.each([['-c'], ['-E'], ['--to=lime']])(
    'of a list of levels %s takes the next one, and says which',
    (format) => {
      const limit = format === '-c' ? '20M' : format === '-E' ? `${elfBytes(31) + 2 ** 20}` : '1M';
      const result = dump(format, '-d', '0,1,31', '-L', limit, input, path);
      if (format === '--to=lime') {
        // Its size is that of the memory, whatever is kept: the last one fails, and stays.
        const said = checkFailure(result);
        // Nothing in it can say that it is not whole.
        expect(said).toContain('dump.incomplete; pages that are missing in it read as zeros.');
        expect(said).toContain(`it takes about ${(201_326_592 / 1e6).toFixed(1)} MB`);
        expect(failureOf(result).warnings).toHaveLength(2);
        expect(namesIn(out)).toEqual(['dump.incomplete']);
        return;
      }
      expect(result.status).toBe(0);
      const report = reportOf(result);
      const warnings = [
        'at level 0 the dump did not fit, and level 1 was tried',
        'at level 1 the dump did not fit, and level 31 was tried',
      ];
      expect(report.warnings).toEqual(warnings);
      expect(report.threads).toBe(Math.max(1, Number(threads)));
      expect(report.output.dumpLevel).toBe(31);
      expect(namesIn(out)).toEqual(['dump']);
      if (format === '-c') checkPages(parseKdump(path), core, core.expected.kept(31));
      else expect(parseElf(readFileSync(path)).flags).toBe(0);
    },
  );

  test('that allows no byte of an ELF file leaves nothing, and does not say that something is marked', () => {
    const said = checkFailure(dump('-E', '-d', '31', '-L', '1', input, path));
    expect(said).toMatch(
      /into the 1 byte of -L: it takes about .* MB Raise the limit\. Nothing was written\./,
    );
    expect(namesIn(out)).toEqual([]);
  });

  test('is for each part of a split dump', () => {
    const parts = ['a', 'b', 'c'].map((name) => join(out, name));
    const whole = dump('-c', '-d', '31', '-L', '10M', '--split', input, ...parts);
    expect(whole.status).toBe(0);
    for (const part of parts) expect(statSync(part).size).toBeLessThanOrEqual(10 * 2 ** 20);
    const said = checkFailure(dump('-f', '-c', '-d', '31', '-L', '2M', '--split', input, ...parts));
    expect(said).toMatch(
      /out\/[abc]: the dump does not fit into the 2M of -L: each of its files takes about /,
    );
    expect(namesIn(out)).toEqual(['a', 'a.incomplete', 'b', 'b.incomplete', 'c', 'c.incomplete']);
  });
});

describe('--require-encrypted-target', () => {
  test('refuses a pipe before its first byte, because nobody knows where it leads', () => {
    const stream = join(dir, 'stream');
    const said = checkFailure(streamed(`| cat > ${stream}`, '--require-encrypted-target', '-z', '-d', '31'));
    expect(said).toContain(
      'the dump might not be encrypted: standard output is a pipe or a socket, and where its reader',
    );
    expect(said).toContain('Write to a file on an encrypted volume');
    expect(statSync(stream).size).toBe(0);
  });

  test('looks at the file that a stream goes to, and at every part', (context) => {
    if (statfsOf('/dev/shm') !== 'tmpfs') context.skip('/dev/shm is not in memory');
    const stream = `/dev/shm/smelt-${process.pid}`;
    try {
      const said = checkFailure(streamed(`> ${stream}`, '--require-encrypted-target', '-z', '-d', '31'));
      expect(said).toContain('the dump would not be encrypted: tmpfs is memory');
      expect(statSync(stream).size).toBe(0);
    } finally {
      rmSync(stream, { force: true });
    }
    const parts = [path, `/dev/shm/smelt-${process.pid}`];
    checkFailure(smelt('--require-encrypted-target', '-z', '--split', input, ...parts));
    checkFailure(smelt('--require-encrypted-target', '-E', input, parts[1]));
    const rearranged = `"$0" "$1" -R --require-encrypted-target "$2" < "$3"`;
    const shell = ['bash', '-c', rearranged, process.execPath, SMELT, parts[1]!];
    expect(checkFailure(run([...shell, '/dev/null']))).toContain('the dump would not be encrypted');
    expect(existsSync(parts[1]!)).toBe(false);
    expect(namesIn(out)).toEqual([]);
  });
});

const statfsOf = (folder: string): string => run(['stat', '-f', '-c', '%T', folder]).stdout.trim();
