/** The program itself, `smelt`, as a person or a script in the guest runs it. */
import { match, ok, strictEqual } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { JsonFailure } from '../../../src/cli/json.ts';
import type { ErrorCode } from '../../../src/errors.ts';
import type { LuksReport } from '../../../src/luks/actions.ts';
import type { DumpReport } from '../../../src/workers/report.ts';

const PROGRAM = [process.execPath, '/t/smelt/bin/smelt'];

interface Said {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** stderr as a person reads it, whatever the width. */
  readonly words: string;
}

export interface RunOptions {
  readonly exitCode?: number;
  readonly uid?: number;
  /** The command that runs it. */
  readonly by?: readonly string[];
}

/** Runs `smelt` to its end; all that it says goes to the console too. */
export function smelt(args: readonly string[], { exitCode = 0, uid = 0, by = [] }: RunOptions = {}): Said {
  const [command, ...rest] = [...by, ...PROGRAM, ...args];
  const { status, stdout, stderr } = spawnSync(command, rest, { encoding: 'utf8', uid, gid: uid });
  process.stdout.write(`\n$ smelt ${args.join(' ')}\n${stdout}${stderr}`);
  strictEqual(status, exitCode, stderr);
  return { exitCode: status, stdout, stderr, words: flat(stderr) };
}

type Of<A extends LuksReport['action']> = Extract<LuksReport, { action: A }>;
export type Told<A extends LuksReport['action']> = Of<A> & Pick<Said, 'stderr' | 'words'>;

/** What `smelt luks` reports with --json, where what is not known is null. Each warning in it is on stderr as well. */
export function luks<A extends LuksReport['action']>(
  action: A,
  args: readonly string[],
  options?: RunOptions,
): Told<A> {
  const said = smelt(['luks', ...args, '--json'], options);
  const { command, report } = objectOf<{ command: string; report: Of<A> }>(said);
  strictEqual(`${command} ${report.action}`, `luks ${action}`);
  for (const warning of 'warnings' in report ? report.warnings : [])
    ok(said.words.includes(flat(`warning: ${warning}`)), `stderr does not say: ${warning}`);
  return { ...report, stderr: said.stderr, words: said.words };
}

/** What `smelt` fails with: exit code 1, and the same sentence and hint on stderr and with --json. */
export function refuses(
  args: readonly string[],
  code: ErrorCode,
  message: RegExp,
  hint: RegExp,
  options?: RunOptions,
): { readonly stderr: string; readonly hint: string } {
  const said = smelt([...args, '--json'], { ...options, exitCode: 1 });
  const { error } = objectOf<JsonFailure>(said);
  strictEqual(`${error.code} ${error.exitCode}`, `${code} 1`);
  match(error.message, message);
  match(error.hint ?? '', hint);
  const sentences = flat(`smelt: ${error.message} ${error.hint ?? ''}`).trim();
  ok(said.words.trim().endsWith(sentences), `stderr does not end in: ${sentences}`);
  return { stderr: said.stderr, hint: error.hint ?? '' };
}

/** What `smelt VMCORE DUMPFILE` reports. */
export function dump(args: readonly string[]): DumpReport & Pick<Said, 'words'> {
  const said = smelt([...args, '--json']);
  return { ...objectOf<{ report: DumpReport }>(said).report, words: said.words };
}

/** The steps that stderr tells of: "restore, find key, (open)", those without effect in parentheses. */
export function stepsIn({ stderr }: Pick<Said, 'stderr'>): string {
  const steps = stderr.matchAll(/^ {2}(restore|find key|open|mount|drop key|unmount|close) +(\(?)/gm);
  return [...steps].map(([, step, mark]) => (mark === '' ? step : `(${step})`)).join(', ');
}

const flat = (text: string): string => text.replace(/\s+/g, ' ');

function objectOf<T>({ stdout }: Said): T {
  const lines = stdout.trimEnd().split('\n');
  strictEqual(lines.length, 1, `--json is one line, and there are ${lines.length}`);
  return JSON.parse(lines[0]);
}
