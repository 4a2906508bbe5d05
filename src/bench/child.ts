/** Runs a program to its end: how long it took, what it said, and on request what memory it was seen to take. */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { SmeltError, systemReason } from '../errors.ts';
import { stopPoint } from './rounds.ts';

export interface Finished {
  /** From before the start to the end of the process. */
  readonly wallMs: number;
  /** The exit code; undefined when a signal ended it. */
  readonly code: number | undefined;
  readonly endedBy: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Largest resident memory seen, where it was watched. */
  readonly peakRssBytes: number | undefined;
}

/** Of each stream the last part is kept: progress lines of a long run are many. */
const KEPT_BYTES = 4 * 2 ** 20;
/** A program that was asked to end and does not is made to. */
const PATIENCE_MS = 10_000;
const WATCH_MS = 5;

/** @throws SmeltError PEER when it cannot be started, INTERRUPTED when the signal was aborted: then it has ended, too. */
export async function runProgram(
  [program, ...args]: readonly string[],
  signal: AbortSignal,
  options: { readonly watchMemory?: boolean } = {},
): Promise<Finished> {
  await stopPoint(signal);
  const began = performance.now();
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  let peakRssBytes: number | undefined;
  const watch = () => {
    peakRssBytes = peakOf(child.pid) ?? peakRssBytes;
  };
  const watching = options.watchMemory ? setInterval(watch, WATCH_MS) : undefined;
  let force: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill('SIGTERM');
    force = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    const finished = await new Promise<Finished>((resolve, reject) => {
      let wallMs = 0;
      child.on('error', (cause) =>
        reject(
          new SmeltError('PEER', `${program}: cannot be started: ${systemReason(cause)}`, {
            hint: 'Install it, or give the path of the program.',
            cause,
          }),
        ),
      );
      child.on('exit', () => {
        wallMs = performance.now() - began;
      });
      // Only after this has all that it said been read.
      child.on('close', (code, endedBy) =>
        resolve({
          wallMs,
          code: code ?? undefined,
          endedBy: endedBy ?? undefined,
          stdout: stdout(),
          stderr: stderr(),
          peakRssBytes,
        }),
      );
    });
    await stopPoint(signal);
    return finished;
  } finally {
    clearInterval(watching);
    clearTimeout(force);
    signal.removeEventListener('abort', stop);
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    while (bytes - chunks[0]!.length > KEPT_BYTES) bytes -= chunks.shift()!.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

/** VmHWM only grows, so the last look before the end is the best there is. */
function peakOf(pid: number | undefined): number | undefined {
  try {
    const value = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
    return value === undefined ? undefined : Number(value) * 1024;
  } catch {
    return undefined;
  }
}

/** What a program says last, without the line that only says that it failed. */
export function lastWords({ stdout, stderr }: Pick<Finished, 'stdout' | 'stderr'>): string | undefined {
  const linesOf = (text: string) =>
    text
      .split(/[\r\n]+/)
      .map((line) => line.trim())
      .filter((line) => line !== '' && !/^\S+ Failed\.$/.test(line) && !/\[ *[\d.]+ %\]/.test(line));
  return linesOf(stderr).at(-1) ?? linesOf(stdout).at(-1);
}
