/** Places for a sample, evenly spread and in step with nothing. */

const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;

/** A number in [0, 1) for each `i`: any of them in a row are evenly spread, and they repeat nowhere. */
export function spread(i: number): number {
  return (i * GOLDEN_RATIO) % 1;
}
