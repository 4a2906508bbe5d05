/** Bit n of byte k stands for page frame 8k + n: counting and finding set bits. */

/** Set bits of each byte value. */
const POPCOUNT = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
});

/** Set bits among the first `bits` bits. */
export function popcount(bitmap: Uint8Array, bits = bitmap.length * 8): number {
  const whole = bits >>> 3;
  let count = 0;
  for (let i = 0; i < whole; i++) count += POPCOUNT[bitmap[i]!]!;
  const rest = bits & 7;
  return rest === 0 ? count : count + POPCOUNT[bitmap[whole]! & ((1 << rest) - 1)]!;
}

/** Set bits from `from` to `to - 1`; with `other`, those that are set in both. */
export function popcountIn(bitmap: Uint8Array, from: number, to: number, other?: Uint8Array): number {
  let count = 0;
  for (let bit = from; bit < to; ) {
    const index = bit >>> 3;
    const upTo = Math.min(to, (index + 1) * 8);
    const mask = ((1 << (upTo - bit)) - 1) << (bit & 7);
    count += POPCOUNT[bitmap[index]! & mask & (other === undefined ? 0xff : other[index]!)]!;
    bit = upTo;
  }
  return count;
}

export function testBit(bitmap: Uint8Array, bit: number): boolean {
  return (bitmap[bit >>> 3]! & (1 << (bit & 7))) !== 0;
}

export function setRange(bitmap: Uint8Array, from: number, to: number): void {
  let bit = from;
  while (bit < to && (bit & 7) !== 0) {
    bitmap[bit >>> 3]! |= 1 << (bit & 7);
    bit++;
  }
  if (to - bit >= 8) {
    bitmap.fill(0xff, bit >>> 3, to >>> 3);
    bit = to & ~7;
  }
  for (; bit < to; bit++) bitmap[bit >>> 3]! |= 1 << (bit & 7);
}

/** Clears the bits `from` … `to - 1` and returns how many of them were set. */
export function clearRange(bitmap: Uint8Array, from: number, to: number): number {
  let cleared = 0;
  for (let bit = from; bit < to; ) {
    const index = bit >>> 3;
    const upTo = Math.min(to, (index + 1) * 8);
    const mask = ((1 << (upTo - bit)) - 1) << (bit & 7);
    const hit = bitmap[index]! & mask;
    if (hit !== 0) {
      cleared += POPCOUNT[hit]!;
      bitmap[index]! &= ~mask;
    }
    bit = upTo;
  }
  return cleared;
}

/** The first bit from `from` on, below `to`, that has the value, or `to`. */
export function nextBit(bitmap: Uint8Array, value: boolean, from: number, to: number): number {
  const skip = value ? 0x00 : 0xff;
  let bit = from;
  while (bit < to) {
    if ((bit & 7) === 0) {
      let index = bit >>> 3;
      const last = to >>> 3;
      while (index < last && bitmap[index] === skip) index++;
      bit = index << 3;
      if (bit >= to) return to;
    }
    if (testBit(bitmap, bit) === value) return bit;
    bit++;
  }
  return to;
}

/** Runs of set bits in `bitmap`, from `from` to `to - 1`, as [first, behind the last]. */
export function* runsOf(bitmap: Uint8Array, from: number, to: number): Generator<[number, number]> {
  for (let start = nextBit(bitmap, true, from, to); start < to; ) {
    const end = nextBit(bitmap, false, start, to);
    yield [start, end];
    start = nextBit(bitmap, true, end, to);
  }
}
