/** Runs commands of the system (cryptsetup, keyctl, mount) by their argument vector: no shell, no stdin, a time limit, bounded output. */

import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { SmeltError, systemReason } from '../errors.ts';

/** Where a system keeps its commands. What the caller's PATH has besides is not looked at: these run as root. */
export const SYSTEM_COMMAND_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Of each stream the last so many characters are kept: at the end stands why a command failed. */
const MAX_OUTPUT_LENGTH = 16 * 1024;
/** From the request to end (SIGTERM) to the end. */
const GRACE_MS = 2000;

export interface RunOptions {
  /** Directories, as in PATH. */
  readonly commandPath: string;
  readonly timeLimitMs: number;
}

export interface Ran {
  /** The exit status; undefined where a signal ended the command. */
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  readonly ms: number;
}

/** The path of a command, or undefined where there is none. */
export function findCommand(name: string, commandPath: string): string | undefined {
  return commandPath
    .split(':')
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Runs a command to its end, or to the time limit. It gets a locale of its own, so that what it says is in English.
 *
 * @throws SmeltError COMMAND where it is not there or cannot be started; how it ended is the caller's to judge
 */
export async function run(argv: readonly string[], options: RunOptions): Promise<Ran> {
  const [name, ...args] = argv;
  const command = findCommand(name, options.commandPath);
  if (command === undefined) {
    throw new SmeltError('COMMAND', `there is no ${name} in ${options.commandPath}`, {
      hint: `Install ${name}; for the crash kernel it has to be in its initramfs.`,
    });
  }
  const started = performance.now();
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: options.commandPath, LC_ALL: 'C' },
    cwd: '/',
  });
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] = (output[stream] + text).slice(-MAX_OUTPUT_LENGTH);
    });
  }
  let timedOut = false;
  let killer: NodeJS.Timeout | undefined;
  const timer = setTimeout(() => {
    timedOut = true;
    child.kill('SIGTERM');
    killer = setTimeout(() => {
      child.kill('SIGKILL');
      // Whoever the command started may keep the pipes; they are not waited for.
      child.stdout.destroy();
      child.stderr.destroy();
    }, GRACE_MS);
  }, options.timeLimitMs);
  try {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? undefined));
    });
    return { status, ...output, timedOut, ms: Math.round(performance.now() - started) };
  } catch (error) {
    throw new SmeltError('COMMAND', `${command} cannot be started: ${systemReason(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
    clearTimeout(killer);
  }
}

/**
 * Why a command failed, for the end of a sentence: its own last line, or one before it that names the cause, or how it ended; undefined
 * where it succeeded.
 */
export function failureOf({ status, stderr, timedOut, ms }: Ran): string | undefined {
  if (timedOut) return `took longer than ${Math.floor(ms / 1000)} s`;
  if (status === 0) return undefined;
  const lines = stderr.trim().split('\n');
  const said = (lines.find((line) => CAUSE.test(line)) ?? lines.at(-1))?.trim();
  const how = status === undefined ? 'was ended by a signal' : `exit status ${status}`;
  return said ? `${printable(said)} (${how})` : how;
}

/** What cryptsetup says before it says that a device cannot be used. */
const CAUSE = /initialize device-mapper|non-root user/;

/** A command's words may hold anything, also what moves a terminal's cursor. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(0, 300);
}
