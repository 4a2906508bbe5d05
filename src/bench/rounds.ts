/** A warm-up and then so many rounds, over all variants by turns: what slows the machine down meanwhile hits all alike. */

import { setImmediate as breathe } from 'node:timers/promises';
import { SmeltError } from '../errors.ts';
import type { Step } from './report.ts';

export interface Pace {
  readonly rounds: number;
  readonly signal: AbortSignal;
  onStep(step: Step): void;
}

/**
 * Calls `measure` for each variant in the warm-up (round 0), then in rounds 1 … N. What the rounds gave comes back by
 * variant; what the warm-up gave is only in `warmUp`.
 * @throws SmeltError INTERRUPTED between two measurements
 */
export async function takeTurns<V, T>(
  pace: Pace,
  part: string,
  variants: readonly V[],
  detailOf: (variant: V) => string,
  measure: (variant: V, round: number) => T | Promise<T>,
): Promise<{ variant: V; warmUp: T; rounds: T[] }[]> {
  const results = variants.map((variant) => ({ variant, all: [] as T[] }));
  for (let round = 0; round <= pace.rounds; round++) {
    for (const { variant, all } of results) {
      await stopPoint(pace.signal);
      pace.onStep({ part, detail: detailOf(variant), round, rounds: pace.rounds });
      all.push(await measure(variant, round));
    }
  }
  return results.map(({ variant, all: [warmUp, ...rounds] }) => ({ variant, warmUp: warmUp!, rounds }));
}

/** Lets signals in. @throws SmeltError INTERRUPTED */
export async function stopPoint(signal: AbortSignal): Promise<void> {
  await breathe();
  if (!signal.aborted) return;
  throw signal.reason instanceof SmeltError ? signal.reason : new SmeltError('INTERRUPTED', 'interrupted');
}

/** Milliseconds that it takes, never 0. */
export function timed(work: () => void): number {
  const began = performance.now();
  work();
  return Math.max(performance.now() - began, 1e-6);
}
