/** Signals that end a run: the first asks the engine to clean up, a Ctrl-C after it does not wait for that. */

import { asSmeltError, SmeltError } from '../errors.ts';
import type { Host } from './host.ts';

export const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** 128 + SIGINT, as shells say it. */
export const EXIT_AT_ONCE = 130;

export interface Interruptible {
  readonly signal: AbortSignal;
  /** Leaves the signals to whatever they did before. */
  [Symbol.dispose](): void;
}

/** @param beforeExit does what must be seen before a second Ctrl-C ends the process */
export function interruptible(
  host: Pick<Host, 'onSignal' | 'exitNow'>,
  beforeExit: () => void,
): Interruptible {
  const controller = new AbortController();
  const stop = host.onSignal((name) => {
    if (controller.signal.aborted) {
      // Service managers send SIGTERM and SIGHUP together: only a person at the keyboard is in such a hurry.
      if (name !== 'SIGINT') return;
      beforeExit();
      host.exitNow(EXIT_AT_ONCE);
      return;
    }
    controller.abort(new SmeltError('INTERRUPTED', `interrupted by ${name}`));
  });
  return { signal: controller.signal, [Symbol.dispose]: stop };
}

/** After a signal whatever goes wrong is the interruption, unless the engine says something of its own. */
export function failureAfter(thrown: unknown, signal: AbortSignal): SmeltError {
  if (thrown instanceof SmeltError || !signal.aborted) return asSmeltError(thrown);
  return asSmeltError(signal.reason);
}
