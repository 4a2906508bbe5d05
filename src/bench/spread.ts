/** What several measurements of one thing come to. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** In the order in which they were measured. */
  readonly rounds: readonly number[];
}

/** Of at least one number. */
export function spreadOf(rounds: readonly number[]): Spread {
  if (rounds.length === 0) throw new RangeError('there is no spread of nothing');
  const sorted = [...rounds].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median, min: sorted[0]!, max: sorted.at(-1)!, rounds };
}

/** Bytes, pages … a second, of the milliseconds that each round took. */
export function rateOf(amount: number, ms: readonly number[]): Spread {
  return spreadOf(ms.map((each) => (amount / each) * 1000));
}
