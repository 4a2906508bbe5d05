import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.ts';
import type { Engine } from '../../src/cli/host.ts';
import { run, version } from '../../src/cli/main.ts';
import { SmeltError } from '../../src/errors.ts';
import type { DumpRequest } from '../../src/workers/report.ts';
import { fakeHost, sampleInput, sampleReport } from './fake-host.ts';

const WARNING = 'the page cache could not be told apart and is kept.';

/** Runs like the real one and warns. */
const engine: Engine = async (_request, observer) => {
  observer.onInput(sampleInput());
  observer.onProgress({ phase: 'classify', donePages: 5, totalPages: 10, elapsedMs: 5 });
  observer.onWarning(WARNING);
  observer.onProgress({ phase: 'compress', donePages: 10, totalPages: 10, elapsedMs: 5 });
  return sampleReport({ warnings: [WARNING, 'another.'] });
};

const failing =
  (error: unknown): Engine =>
  async (_request, observer) => {
    observer.onInput(sampleInput());
    observer.onWarning(WARNING);
    throw error;
  };

async function smelt(line: string, options: Parameters<typeof fakeHost>[0] = {}) {
  const host = fakeHost({ engine, ...options });
  const code = await run(line.split(' ').filter(Boolean), host);
  expect(host.listeners.size).toBe(0);
  return { code, stdout: host.stdout.text, stderr: host.stderr.text, host };
}

describe('smelt', () => {
  test('shows its version', async () => {
    const { version: expected } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(version()).toBe(expected);
    for (const line of ['--version', '-v', '-v in out', '-zv', 'dump --version']) {
      expect(await smelt(line)).toMatchObject({ code: 0, stdout: `smelt ${expected}\n`, stderr: '' });
    }
  });

  test('shows the short help, and the long one for the command', async () => {
    for (const line of ['--help', '-h', '-h -F --nonsense', 'a b -h']) {
      expect(await smelt(line)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('Options used most'),
        stderr: '',
      });
    }
    for (const line of ['dump --help', '--help dump', 'dump -h a b']) {
      expect(await smelt(line)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('What to keep'),
        stderr: '',
      });
    }
  });

  test('helps those who ask for help as for a command, where no file is called so', async () => {
    expect(await smelt('help')).toMatchObject({ code: 0, stdout: (await smelt('--help')).stdout });
    for (const name of ['bench', 'dump']) {
      const { code, stdout } = await smelt(`help ${name}`);
      expect({ code, stdout }).toEqual({ code: 0, stdout: (await smelt(`${name} --help`)).stdout });
    }
    // These name files.
    const asked: string[] = [];
    const engine: Engine = async ({ input, output }) => {
      asked.push(`${input} ${output}`);
      return sampleReport();
    };
    for (const line of ['./help dump', '-- help dump']) await smelt(line, { engine });
    expect(asked).toEqual(['./help dump', 'help dump']);
    const here = process.cwd();
    const elsewhere = mkdtempSync(join(tmpdir(), 'smelt-test-'));
    try {
      process.chdir(elsewhere);
      writeFileSync('help', '');
      for (const line of ['help small', 'help dump']) await smelt(line, { engine });
    } finally {
      process.chdir(here);
      rmSync(elsewhere, { recursive: true });
    }
    expect(asked.slice(2)).toEqual(['help small', 'help dump']);
  });

  test.each([
    ['help benhc', 'there is no command benhc', 'Did you mean `smelt bench VMCORE`?'],
    ['help split', 'there is no command split', 'Did you mean the option --split?'],
    [
      'help nosuch',
      'there is no command nosuch',
      `The commands are ${COMMANDS.map(({ name }) => name).join(', ')}; \`smelt dump --help\` lists the options.`,
    ],
    ['mem-usage -D', 'there is no command mem-usage', 'Did you mean the option --mem-usage?'],
    ['log vmcore', 'there is no command log', 'What crash calls log is `smelt dmesg VMCORE`.'],
    ['sys vmcore', 'there is no command sys', 'What crash calls sys is `smelt info VMCORE`.'],
    ['rd a b c', 'there is no command rd', 'What crash calls rd is `smelt read --words VMCORE ADDR`.'],
    ['kmem -i vmcore', 'there is no command kmem', 'What crash calls kmem is `smelt pages VMCORE`.'],
    ['help mod', 'there is no command mod', 'What crash calls mod is `smelt mods VMCORE`.'],
    [
      'task vmcore',
      'there is no command task',
      'What crash calls task is `smelt ps VMCORE [WHO…]` or `smelt bt VMCORE [WHO…]`.',
    ],
    [
      'foreach bt vmcore',
      'there is no command foreach',
      'What crash calls foreach is `smelt bt --tasks VMCORE` or `smelt ps VMCORE`.',
    ],
    ['slavage a b', 'there is no command slavage', 'Did you mean `smelt salvage BROKEN DUMPFILE`?'],
  ])('answers `%s`, which is no command, with the nearest', async (line, what, hint) => {
    const { code, stdout, stderr } = await smelt(line);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.replace(/\s+/g, ' ')).toBe(`smelt: ${what} ${hint} `);
  });

  test.each([
    ['convert vmcore --to elf', 'smelt convert vmcore --to elf DUMPFILE'],
    ['-E -zd31 vmcore', 'smelt -E -zd31 vmcore DUMPFILE'],
    ['--vtop 0x1 --message-level=2 vmcore', 'smelt --vtop 0x1 --message-level=2 vmcore DUMPFILE'],
    ['--split p1', 'smelt --split p1 DUMPFILE1 DUMPFILE2'],
    ['--split', 'smelt --split VMCORE DUMPFILE1 DUMPFILE2'],
    ['--split -d 31 vmcore p1', 'smelt --split -d 31 vmcore p1 DUMPFILE2'],
    ['-F -d 31 a b', 'smelt -F -d 31 a > b'],
    ["-- it's", "smelt -- 'it'\\''s' DUMPFILE"],
  ])('answers `%s`, which lacks a file, with all that was typed and the file', async (line, command) => {
    const { code, stderr } = await smelt(line);
    expect(code).toBe(1);
    expect(stderr.replace(/\s+/g, ' ')).toContain(`: ${command} `);
  });

  test('says what scripts ask makedumpfile for where it has its name, and then what it is', async () => {
    const { code, stdout } = await smelt('-v', { calledAs: 'makedumpfile' });
    expect(code).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^makedumpfile: version \d+\.\d+\.\d+ \(released on \d+ [A-Z][a-z]{2} \d{4}\)$/);
    expect(lines).toEqual(expect.arrayContaining(['lzo\tenabled', 'snappy\tenabled', 'zstd\tenabled']));
    expect(lines.at(-2)).toBe(`This is smelt ${version()}`);
  });

  test('tells programs by which command a report was made', async () => {
    const commandOf = async (line: string) => JSON.parse((await smelt(`--json ${line}`)).stdout).command;
    for (const line of ['in out', 'dump in out', '--to elf in out'])
      expect(await commandOf(line)).toBe('dump');
    expect(await commandOf('convert --to elf in out')).toBe('convert');
  });

  test('loads neither the parser nor the engine before there is work', () => {
    const seen = new Set<string>();
    const packages = new Set<string>();
    const follow = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      const statics = readFileSync(file, 'utf8').matchAll(
        /^(?:import|export) (?!type )[^;]*? from '([^']+)'/gm,
      );
      for (const [, from] of statics) {
        if (from.startsWith('.')) follow(join(dirname(file), from));
        else packages.add(from);
      }
    };
    follow('src/cli/main.ts');
    expect(seen).toContain('src/cli/tokens.ts');
    expect([...packages].filter((name) => !name.startsWith('node:'))).toEqual([]);
    expect([...seen].filter((file) => file.includes('/workers/'))).toEqual([]);
  });

  test('gives the engine what was asked for', async () => {
    const requests: DumpRequest[] = [];
    const line = '-zfd 31 in out --num-threads 4';
    await smelt(line, {
      engine: async (request) => {
        requests.push(request);
        return sampleReport();
      },
    });
    expect(requests).toMatchObject([
      { input: 'in', output: 'out', dumpLevel: 31, codec: 'zstd', overwrite: true, threads: 4 },
    ]);
  });
});

describe('a dump that is done', () => {
  test('tells the input first, then the summary, and warnings last and once', async () => {
    const { code, stdout, stderr } = await smelt('-zd31 vmcore dump');
    expect(code).toBe(0);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^vmcore {2}ELF, [^\n]*\n {4}encrypted memory[^\n]*\ndump complete: dump\n/);
    expect(stderr.endsWith(`\nwarning: ${WARNING}\nwarning: another.\n`)).toBe(true);
    expect(stderr.split(WARNING).length).toBe(2);
  });

  test('has one object on stdout with --json, at any message level', async () => {
    for (const line of [
      '--json in out',
      '--json --quiet in out',
      '--json -D in out',
      'in out --json --message-level 0',
    ]) {
      const { stdout } = await smelt(line);
      expect(JSON.parse(stdout)).toMatchObject({
        smelt: 1,
        command: 'dump',
        report: { totalPages: 1_048_576 },
      });
      expect(stdout.indexOf('\n')).toBe(stdout.length - 1);
    }
  });

  test.each([
    ['', ['input', 'bar', 'summary', 'warning']],
    ['--message-level 7', ['input', 'bar', 'summary', 'warning']],
    ['--quiet', ['warning']],
    ['--message-level 31 --quiet', ['warning']],
    ['--quiet --message-level 3', ['input', 'bar', 'summary', 'warning']],
    ['--message-level 0', []],
    ['--message-level 1', ['bar']],
    ['--message-level 2', ['input', 'summary', 'warning']],
    ['--message-level 6 -D', ['input', 'summary', 'warning', 'debug']],
    ['--quiet --show-stats', ['summary', 'counts', 'warning']],
    ['--message-level 16', ['summary', 'counts']],
    ['-D', ['input', 'bar', 'summary', 'warning', 'debug']],
  ])('shows with `%s` %j', async (flags, expected) => {
    const { stderr, stdout } = await smelt(`${flags} in out`, { columns: 80 });
    const marks = {
      input: 'vmcore  ELF',
      bar: '50 %',
      summary: 'dump complete',
      counts: 'Original pages  : 0x0000000000100000',
      warning: 'warning:',
      debug: 'debug: request',
    };
    const shown = Object.entries(marks).flatMap(([name, mark]) =>
      (name === 'counts' ? stdout : stderr).includes(mark) ? [name] : [],
    );
    expect(shown).toEqual(expected);
  });
});

describe('a dump that fails', () => {
  test('has the exit code of the error, and two lines', async () => {
    const error = new SmeltError('WRONG_RELEASE', 'info is of Linux 5.4', {
      hint: 'Take the right one.',
      exitCode: 2,
    });
    const { code, stdout, stderr } = await smelt('-i info in out', { engine: failing(error) });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(`\n${stderr}`).toMatchInlineSnapshot(`
      "
      vmcore  ELF, 4.0 GiB of RAM, Linux 6.12.117 x86_64, 5-level paging,
          encrypted memory (bit 51)
      warning: the page cache could not be told apart and is kept.
      smelt: info is of Linux 5.4
             Take the right one.
      "
    `);
  });

  test('tells programs the same on stdout', async () => {
    const error = new SmeltError('WRITE', 'out: input/output error (EIO)');
    const { code, stdout } = await smelt('--json in out', { engine: failing(error) });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      smelt: 1,
      error: { code: 'WRITE', exitCode: 1, hint: null },
      warnings: [WARNING],
    });
  });

  test.each([
    ['in out', '-d 31 -z --dedup.'],
    ['-l -d 31 in out', 'with -z --dedup.'],
    ['-c -d 1 in out', 'with -d 31 --dedup.'],
    ['-z -d 31 in out', 'with --dedup.'],
    ['-z -d 31 --dedup in out', undefined],
  ])('for want of room names what the run did not use: `%s`', async (line, expected) => {
    const error = new SmeltError('WRITE', 'out: no space left on the device (ENOSPC)', {
      hint: 'Make room.',
    });
    const { stderr } = await smelt(line, { engine: failing(error) });
    if (expected === undefined) expect(stderr).toMatch(/Make room\.\n$/);
    else expect(stderr).toContain(expected);
  });

  test('for want of the input says what to do', async () => {
    const missing = (path: string) =>
      new SmeltError('INPUT_OPEN', `${path}: cannot be opened: no such file (ENOENT)`, {
        cause: Object.assign(new Error(), { code: 'ENOENT' }),
      });
    const hintOf = async (line: string, path: string) =>
      (await smelt(line, { engine: failing(missing(path)) })).stderr
        .split('(ENOENT)')[1]!
        .trim()
        .replace(/\s+/g, ' ');
    expect(await hintOf('/proc/vmcore out', '/proc/vmcore')).toBe(
      'It is there only in the kdump kernel; elsewhere give the path of a saved dump.',
    );
    expect(await hintOf('vmcor out', 'vmcor')).toBe('Check the path.');
    expect(await hintOf('-i info in out', 'info')).toBe('Check the path.');
    expect(await hintOf('benhc vmcore', 'benhc')).toBe(
      'Did you mean `smelt bench VMCORE`? If it is a file, check the path.',
    );
  });

  test("shows a stack of smelt's own mistakes under --debug alone", async () => {
    const broken = { engine: failing(new TypeError('x is undefined')) };
    const { code, stderr } = await smelt('in out', broken);
    expect(code).toBe(1);
    expect(stderr).toContain(
      'smelt: a mistake in smelt itself: TypeError: x is undefined\n       Please report it',
    );
    expect(stderr).not.toMatch(/^ +at /m);
    expect((await smelt('--debug in out', broken)).stderr).toMatch(/^ +at /m);
  });

  test('is told when the engine cannot be loaded', async () => {
    const host = fakeHost();
    const code = await run(['in', 'out'], {
      ...host,
      loadEngine: async () => Promise.reject(new Error('no such module')),
    });
    expect(code).toBe(1);
    expect(host.stderr.text).toContain('no such module');
  });

  test('ends the line of the bar before the error', async () => {
    const { stderr } = await smelt('in out', {
      columns: 80,
      engine: async (_request, observer) => {
        observer.onProgress({ phase: 'compress', donePages: 1, totalPages: 10, elapsedMs: 5 });
        throw new SmeltError('WRITE', 'out: no space left on the device (ENOSPC)');
      },
    });
    expect(stderr).toMatch(/eta 0:01 *\nsmelt: out: no space/);
  });
});

describe('a wrong command line', () => {
  test.each([
    '-q in out',
    'in',
    '',
    '--quiet --frob in out',
    '--message-level 0 -d 99 in out',
    '--message-level 99 in out',
  ])('is told at any message level: `%s`', async (line) => {
    const { code, stdout, stderr } = await smelt(line);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^smelt: .*\n( {7}.*\n)+$/);
  });

  test('is told to programs too', async () => {
    const { stdout } = await smelt('--json --frob');
    expect(JSON.parse(stdout)).toMatchObject({ smelt: 1, error: { code: 'USAGE', exitCode: 1 } });
  });
});

describe('a dump that is interrupted', () => {
  const waiting: Engine = (_request, observer, signal) =>
    new Promise((_resolve, reject) => {
      observer.onProgress({ phase: 'compress', donePages: 1, totalPages: 10, elapsedMs: 5 });
      signal.addEventListener('abort', () => reject(signal.reason));
    });

  test('cleans up and ends with 1', async () => {
    const host = fakeHost({ engine: waiting, columns: 80 });
    const running = run(['in', 'out', '--json'], host);
    await expect.poll(() => host.stderr.text).toContain('10 %');
    host.send('SIGINT');
    expect(await running).toBe(1);
    expect(host.stderr.text).toMatch(/eta 0:01 *\nsmelt: interrupted by SIGINT\n/);
    expect(JSON.parse(host.stdout.text).error.code).toBe('INTERRUPTED');
    expect(host.listeners.size).toBe(0);
  });

  test('is no mistake of smelt when something else breaks on the way out', async () => {
    const clumsy: Engine = (_request, observer, signal) =>
      waiting(_request, observer, signal).catch(() => Promise.reject(new Error('worker is gone')));
    const host = fakeHost({ engine: clumsy, columns: 80 });
    const running = run(['in', 'out'], host);
    await expect.poll(() => host.stderr.text).toContain('10 %');
    host.send('SIGTERM');
    expect(await running).toBe(1);
    expect(host.stderr.text).toContain('smelt: interrupted by SIGTERM');
    expect(host.stderr.text).not.toContain('mistake');
  });

  test('says what may be left behind when a second Ctrl-C ends it at once', async () => {
    let letGo = (_error: Error): void => {};
    const stubborn: Engine = (_request, observer) =>
      new Promise((_resolve, reject) => {
        observer.onProgress({ phase: 'compress', donePages: 1, totalPages: 10, elapsedMs: 5 });
        letGo = reject;
      });
    const host = fakeHost({ engine: stubborn, columns: 80 });
    const running = run(['in', 'out'], host);
    await expect.poll(() => host.stderr.text).toContain('10 %');
    host.send('SIGINT');
    host.send('SIGINT');
    expect(host.exits).toEqual([130]);
    expect(host.stderr.text).toMatch(/\nsmelt: stopped at once; out.incomplete may be left behind\n$/);
    letGo(new Error('over'));
    await running;
  });
});
