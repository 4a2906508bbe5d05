import { describe, expect, test } from 'vitest';
import type { DisplayOptions } from '../../src/cli/display.ts';
import { reportFailure, reportWarnings } from '../../src/cli/errors-out.ts';
import { asSmeltError, SmeltError } from '../../src/errors.ts';
import { type FakeHostOptions, fakeHost } from './fake-host.ts';

const DISPLAY: DisplayOptions = { json: false, jsonOn: 'stdout', debug: false, level: 7 };
const CUT = new SmeltError(
  'TRUNCATED',
  'vmcore: program header 3 says its data end at byte 553,781,315 but the file has 402,653,184 bytes',
  { hint: 'The file is cut short: copy it again.', cause: new Error('read failed') },
);

function shown(
  error: SmeltError,
  display = DISPLAY,
  options: FakeHostOptions = {},
  warnings: string[] = [],
): string {
  const host = fakeHost(options);
  reportFailure(error, warnings, display, host);
  expect(host.stdout.text === '').toBe(!display.json);
  return `\n${host.stderr.text}`;
}

describe('an error', () => {
  test('says what and where, and what to do, wrapped on a terminal and at 80 columns in a log', () => {
    expect(shown(CUT)).toBe(shown(CUT, DISPLAY, { columns: 80 }));
    expect(shown(CUT)).toMatchInlineSnapshot(`
      "
      smelt: vmcore: program header 3 says its data end at byte 553,781,315 but the
             file has 402,653,184 bytes
             The file is cut short: copy it again.
      "
    `);
  });

  test('is one line when there is nothing to do about it', () => {
    expect(shown(new SmeltError('INTERRUPTED', 'interrupted'))).toBe('\nsmelt: interrupted\n');
  });

  test('comes after the warnings, each of them once', () => {
    expect(shown(CUT, DISPLAY, {}, ['first', 'second', 'first'])).toMatch(
      /^\nwarning: first\nwarning: second\nsmelt: vmcore/,
    );
  });

  test('is not shown without bit 4 of the message level', () => {
    expect(shown(CUT, { ...DISPLAY, level: 3 })).toBe('\n');
  });

  test('has a stack, and that of its cause, under --debug alone', () => {
    expect(shown(CUT)).not.toMatch(/^ +at /m);
    const text = shown(CUT, { ...DISPLAY, debug: true });
    expect(text).toMatch(/^SmeltError: vmcore.*\n {4}at /m);
    expect(text).toMatch(/^caused by Error: read failed\n {4}at /m);
  });

  test('cannot steer the terminal', () => {
    const text = shown(new SmeltError('NOT_A_DUMP', 'a\x1b[2J\nb', { hint: '\r\x07' }));
    expect(text).toBe('\nsmelt: a\\x1b[2J\\x0ab\n       \\x0d\\x07\n');
  });

  test('has its name in red on a terminal with colours', () => {
    expect(shown(CUT, DISPLAY, { columns: 80, env: { TERM: 'xterm' } })).toContain(
      '\x1b[1;31msmelt:\x1b[0m vmcore',
    );
  });
});

describe('what is not a SmeltError', () => {
  test('is a mistake of smelt, without a stack', () => {
    expect(shown(asSmeltError(new TypeError('x is not a function')))).toMatchInlineSnapshot(`
      "
      smelt: a mistake in smelt itself: TypeError: x is not a function
             Please report it, with the command line and what the same command says
             with --debug.
      "
    `);
  });

  test.each([['text'], [undefined], [{}], [null]])('is told even when %o is thrown', (thrown) => {
    expect(asSmeltError(thrown)).toMatchObject({ code: 'INTERNAL', exitCode: 1 });
  });

  test('stays what it is otherwise', () => expect(asSmeltError(CUT)).toBe(CUT));
});

describe('a warning', () => {
  const warned = (level: number, options?: FakeHostOptions): string => {
    const host = fakeHost(options);
    reportWarnings([`${'word '.repeat(20)}end.`], { ...DISPLAY, level }, host);
    return host.stderr.text;
  };
  test('hangs below its first word on a terminal', () => {
    expect(`\n${warned(7, { columns: 60 })}`).toMatchInlineSnapshot(`
      "
      warning: word word word word word word word word word word
               word word word word word word word word word word
               end.
      "
    `);
  });
  test('is shown with --quiet but not at level 0', () => {
    expect(warned(4)).toContain('warning: word');
    expect(warned(0)).toBe('');
    expect(warned(1)).toBe('');
  });
});
