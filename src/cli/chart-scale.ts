/** From values to places along an axis, and which values get a mark there. */

export interface Scale {
  /** Place of a value, in pixels. */
  at(value: number): number;
  /** Values to mark, ascending. */
  readonly ticks: readonly number[];
}

/** Logarithmic, from `from` to `to` pixels, with some room at both ends; marks at 1, 2 and 5 times each power of ten. */
export function logScale(values: readonly number[], from: number, to: number): Scale {
  const least = Math.min(...values) / 1.35;
  const most = Math.max(...values) * 1.35;
  const at = (value: number) => from + (Math.log(value / least) / Math.log(most / least)) * (to - from);
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
    for (const digit of [1, 2, 5]) {
      const value = digit * 10 ** power;
      if (value >= least && value <= most) ticks.push(Number(value.toPrecision(1)));
    }
  }
  return { at, ticks };
}

/** Linear, its ends at round values outside of the given ones; at most ten marks or so. */
export function linearScale(values: readonly number[], from: number, to: number): Scale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  // Values that differ by less than anybody measures count as one: their difference may be no step that they can be counted in.
  const span = high - low > high * 1e-9 ? high - low : high;
  const step = roundStep(span / 8 || 1);
  const first = Math.max(0, Math.floor((low - step * 0.1) / step));
  const last = Math.max(first + 1, Math.ceil((high + step * 0.1) / step));
  const at = (value: number) => from + ((value / step - first) / (last - first)) * (to - from);
  return {
    at,
    ticks: Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(6))),
  };
}

/** 1, 2, 5 or 10 times a power of ten, not less than `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find((digit) => digit * power >= least * 0.999) ?? 10) * power;
}
