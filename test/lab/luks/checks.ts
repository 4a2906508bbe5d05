/** The checks of a guest: each says on the console how it went, and one that fails does not keep the others from running. */
import { match, ok, strictEqual } from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type ErrorCode, SmeltError } from '../../../src/errors.ts';

let passed = 0;
let failed = 0;

/** Lines of the console begin anew, as the kernel may have stopped in the middle of one. */
const say = (text: string) => process.stdout.write(`\n${text.replaceAll('\n', ' | ')}\n`);

export async function check(name: string, body: () => Promise<unknown> | unknown): Promise<void> {
  const started = performance.now();
  try {
    await body();
    passed++;
    say(`ok ${name} (${Math.round(performance.now() - started)} ms)`);
  } catch (error) {
    failed++;
    say(`not ok ${name}: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  }
}

/** Without this line a guest has not come to its end. */
export function done(part: string): void {
  say(`DONE ${part} ${passed} passed, ${failed} failed`);
}

/** The error that a call of the engine must end in; its words go to the console, to be read by people. */
export function fails(work: () => unknown, code: ErrorCode, message: RegExp): void {
  let outcome: unknown;
  try {
    outcome = work();
  } catch (error) {
    ok(error instanceof SmeltError, `an error of another kind: ${error}`);
    say(`  ${error.code}: ${error.message}`);
    strictEqual(error.code, code);
    match(error.message, message);
    return;
  }
  throw new Error(`it succeeded: ${JSON.stringify(outcome)}`);
}

/** A command of the guest: its exit status, and what it said. */
export function sh(command: string): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', command], { encoding: 'utf8' });
  return { status, said: `${stdout}${stderr}`.trim() };
}

/** @throws where it fails */
export function must(command: string): string {
  const { status, said } = sh(command);
  strictEqual(status, 0, `${command}: ${said}`);
  return said;
}
