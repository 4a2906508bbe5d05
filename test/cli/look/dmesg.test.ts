/** `smelt dmesg` on the command line: what it writes to a pipe, to a terminal and to a program. */
import { describe, expect, test } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { commandHelp } from '../../../src/cli/help.ts';
import { run } from '../../../src/cli/main.ts';
import * as looks from '../../../src/inspect/looks.ts';
import { buildVmcore } from '../../build/vmcore.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { type FakeHostOptions, fakeHost } from '../fake-host.ts';

const files = tempFiles();
/** Message n at n × 1.234567 s, of level n modulo 8, by thread n or CPU n. */
const path = files.path('vmcore');
buildVmcore({
  path,
  dmesg: ['dead', 'two\nlines', '\ttabs \x1b[2Jand \rtricks', 'bad', 'odd', 'noted', 'known', 'small'],
});
const LINES = [
  '[    0.000000] [      T0] dead',
  `[    1.234567] [      C1] two\n${' '.repeat(26)}lines`,
  '[    2.469134] [      T2] \ttabs \\x1b[2Jand \rtricks',
  '[    3.703701] [      C3] bad',
  '[    4.938268] [      T4] odd',
  '[    6.172835] [      C5] noted',
  '[    7.407402] [      T6] known',
  '[    8.641969] [      C7] small',
];

async function say(args: readonly string[], options: FakeHostOptions = {}) {
  const host = fakeHost({ looks, ...options });
  const code = await run(['dmesg', ...args], host);
  return { code, out: host.stdout.text, err: host.stderr.text };
}
const terminal = { stdoutColumns: 80, env: { TERM: 'xterm' } };

describe('smelt dmesg', () => {
  test('writes the log as --dump-dmesg does', async () => {
    expect(await say([path])).toEqual({ code: 0, out: `${LINES.join('\n')}\n`, err: '' });
  });

  test('writes what is asked for', async () => {
    expect((await say([path, '--level', 'err,debug'])).out).toBe(`${LINES[3]}\n${LINES[7]}\n`);
    expect((await say([path, '--since', '-2', '--level', '+info'])).out).toBe(`${LINES[6]}\n${LINES[7]}\n`);
    expect((await say(['--since=7', path])).out).toBe(`${LINES[6]}\n${LINES[7]}\n`);
  });

  test('ends with 1 where there is no such message, and says so of a crash', async () => {
    expect(await say([path, '--since', '100'])).toEqual({
      code: 1,
      out: '',
      err: "warning: none of the log's 8 records is what --since and --level ask for\n",
    });
    const { code, err } = await say([path, '--follow-panic']);
    expect(code).toBe(1);
    expect(err).toBe('warning: the kernel log has no Oops, BUG or panic\n');
  });

  test('has colours on a terminal, which nothing in the log can steer', async () => {
    const { out } = await say([path], terminal);
    const [first, second, third, fourth, , sixth] = out.split('\n');
    expect(first).toBe('\x1b[32m[    0.000000] [      T0]\x1b[0m \x1b[1;31mdead\x1b[0m');
    expect(second).toBe('\x1b[32m[    1.234567] [      C1]\x1b[0m \x1b[1;31mtwo\x1b[0m');
    expect(third).toBe(`\x1b[1;31m${' '.repeat(26)}lines\x1b[0m`);
    expect(fourth).toContain('tabs \\x1b[2Jand \\x0dtricks');
    expect(sixth).toContain('\x1b[33modd\x1b[0m');
    const plain = await say([path], { ...terminal, env: { TERM: 'xterm', NO_COLOR: '1' } });
    expect(plain.out).not.toMatch(/(?!\n)\p{Cc}/u);
  });

  test('gives programs one object with the records', async () => {
    const { out } = await say([path, '--json', '--level', 'warn']);
    const { command, report } = JSON.parse(out);
    expect(command).toBe('dmesg');
    expect(report.entries).toEqual([
      { timeUs: 4_938_268, level: 'warn', facility: 'auth', caller: 'T4', text: 'odd' },
    ]);
    expect(report).toMatchObject({ shownRecords: 1, log: { records: 8, lostRecords: 0, path: null } });
  });

  test('refuses what it does not understand', async () => {
    const { code, err } = await say([path, '--level', 'loud']);
    expect(code).toBe(1);
    expect(err).toMatch(/^smelt: --level loud: loud is no level\n/);
    expect((await say([])).err).toMatch(/^smelt: VMCORE is missing\n/);
  });

  test('is explained on a screen of 80 columns', () => {
    const help = commandHelp(COMMANDS.find(({ name }) => name === 'dmesg')!);
    const lines = help.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.length).toBeLessThanOrEqual(25);
  });
});
