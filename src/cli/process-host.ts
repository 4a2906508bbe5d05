/** The host that a started smelt has: this process, its streams, its signals. */

import { readlinkSync } from 'node:fs';
import { ExitCode, errnoName, systemReason } from '../errors.ts';
import type { Host, Sink } from './host.ts';
import { ENDING_SIGNALS } from './signals.ts';

export function processHost(): Host {
  return {
    stdout: sinkOf(process.stdout, reportLostOutput),
    stderr: sinkOf(process.stderr, () => {}),
    env: process.env,
    stderrDevice: linkTarget('/proc/self/fd/2'),
    loadEngine: async () => (await import('../workers/dump.ts')).dump,
    loadDmesg: async () => (await import('../workers/dmesg.ts')).dumpDmesg,
    loadVmcoreinfo: async () => (await import('../workers/vmcoreinfo-file.ts')).writeVmcoreinfo,
    loadSme: async () => (await import('../workers/survey.ts')).survey,
    loadLive: async () => (await import('../sme/live/live.ts')).lookAtMachine,
    loadLuks: () => import('../luks/actions.ts'),
    loadBench: async () => (await import('../bench/bench.ts')).bench,
    program: [process.execPath, ...process.execArgv, process.argv[1]],
    onSignal: (listener) => {
      for (const name of ENDING_SIGNALS) process.on(name, listener);
      return () => {
        for (const name of ENDING_SIGNALS) process.off(name, listener);
      };
    },
    exitNow: (code) => process.exit(code),
  };
}

/** The part of process.stdout that is used. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  on(event: 'error', listener: (error: Error) => void): unknown;
  write(text: string, done?: () => void): unknown;
}

/** A reader that is gone (EPIPE) is no failure of ours, here as with every other filter; nothing else is hidden from `onLost`. */
export function sinkOf(stream: OutputStream, onLost: (error: Error) => void): Sink {
  let lost = false;
  stream.on('error', (error) => {
    if (lost) return;
    lost = true;
    if (errnoName(error) !== 'EPIPE') onLost(error);
  });
  return {
    get isTTY() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns ?? 0;
    },
    write: (text) => {
      if (!lost) stream.write(text);
    },
    // Of a failure the stream's own event tells.
    pass: (text) => new Promise((done) => void (lost ? done() : stream.write(text, () => done()))),
  };
}

function reportLostOutput(error: Error): void {
  process.exitCode = ExitCode.failed;
  process.stderr.write(
    `smelt: standard output cannot be written: ${systemReason(error)}\n       Check where it is redirected to.\n`,
  );
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
