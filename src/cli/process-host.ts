/** The host that a started smelt has: this process, its streams, its signals. */

import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { ExitCode, errnoName, SmeltError, systemReason } from '../errors.ts';
import type { Host, Sink } from './host.ts';
import { ENDING_SIGNALS } from './signals.ts';
import { openStdin } from './stdin.ts';

export function processHost(): Host {
  return {
    stdout: sinkOf(process.stdout, reportLostOutput),
    stderr: sinkOf(process.stderr, () => {}),
    openStdin: (signal) => (isatty(0) ? 'terminal' : openStdin(() => process.stdin, signal)),
    env: process.env,
    stderrDevice: linkTarget('/proc/self/fd/2'),
    loadEngine: async () => (await import('../workers/dump.ts')).dump,
    loadDmesg: async () => (await import('../workers/dmesg.ts')).dumpDmesg,
    loadVmcoreinfo: async () => (await import('../workers/vmcoreinfo-file.ts')).writeVmcoreinfo,
    loadUsage: async () => (await import('../workers/usage.ts')).memUsage,
    loadRearrange: async () => (await import('../workers/rearrange.ts')).rearrange,
    loadReassemble: async () => (await import('../workers/reassemble.ts')).reassemble,
    loadSalvage: async () => (await import('../workers/salvage.ts')).salvage,
    loadSme: async () => (await import('../workers/survey.ts')).survey,
    loadLive: async () => (await import('../sme/live/live.ts')).lookAtMachine,
    loadLuks: () => import('../luks/actions.ts'),
    loadBench: async () => (await import('../bench/bench.ts')).bench,
    loadLooks: () => import('../inspect/looks.ts'),
    // Behind the launcher of the image node is started by a name of its own.
    calledAs: process.env.SMELT_CALLED_AS ?? basename(process.argv[1] ?? ''),
    program: [process.execPath, ...process.execArgv, process.argv[1]],
    onSignal: (listener) => {
      for (const name of ENDING_SIGNALS) process.on(name, listener);
      return () => {
        for (const name of ENDING_SIGNALS) process.off(name, listener);
      };
    },
    isStdoutClosed,
    touch: (path) => writeFileSync(path, '', { flag: 'wx', mode: 0o600 }),
    exitNow: (code) => process.exit(code),
  };
}

/** The part of process.stdout that is used. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  on(event: 'error', listener: (error: Error) => void): unknown;
  write(text: string | Uint8Array, done?: (error?: Error | null) => void): unknown;
}

/**
 * A reader that is gone (EPIPE) is no failure of what is written along the way, here as with every other filter, but it is of what is
 * passed; anything else that goes wrong is told to `onLost`, or to who passes.
 */
export function sinkOf(stream: OutputStream, onLost: (error: Error) => void): Sink {
  let lost: Error | undefined;
  let passing = false;
  stream.on('error', (error) => {
    if (lost !== undefined) return;
    lost = error;
    if (!passing && errnoName(error) !== 'EPIPE') onLost(error);
  });
  return {
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns ?? 0;
    },
    write: (text) => {
      if (lost === undefined) stream.write(text);
    },
    pass: async (text) => {
      passing = true;
      const error =
        lost ?? (await new Promise((done: (error?: Error | null) => void) => stream.write(text, done)));
      passing = false;
      if (error) throw lostOutput(error);
    },
  };
}

function lostOutput(cause: Error): SmeltError {
  return new SmeltError('WRITE', `standard output cannot be written: ${systemReason(cause)}`, {
    hint:
      errnoName(cause) === 'EPIPE'
        ? 'The program that it was piped to ended first, and may have said why.'
        : 'Check where it is redirected to.',
    cause,
  });
}

function reportLostOutput(error: Error): void {
  process.exitCode = ExitCode.failed;
  const { message, hint } = lostOutput(error);
  process.stderr.write(`smelt: ${message}\n       ${hint}\n`);
}

/** Node opens /dev/null for reading and writing where a standard stream is closed; who wants its output lost opens it for writing. */
function isStdoutClosed(): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/fdinfo/1', 'latin1'))?.[1];
    return linkTarget('/proc/self/fd/1') === '/dev/null' && (Number.parseInt(flags ?? '0', 8) & 3) === 2;
  } catch {
    return false;
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
