/** How fast pages of zeros are told from others: the test that the compress phase makes. */

import { openZeroTest } from '../native/zero-test.ts';
import type { ZeroReport } from './report.ts';
import { type Pace, takeTurns, timed } from './rounds.ts';
import type { Sample } from './sample.ts';
import { rateOf, spreadOf } from './spread.ts';

/** As many as one load of the ELF reader: they are in the CPU's cache when they are looked at. */
const PAGES = 64;
/** Long enough for the clock, short enough for a person. */
const ROUND_MS = 30;

export async function measureZeroes(pace: Pace, { bytes, pageSize, pages }: Sample): Promise<ZeroReport> {
  const count = Math.min(PAGES, pages);
  const isZero = openZeroTest(pageSize);
  let zeroes = 0;
  const kinds = [
    // Filled by hand: pages that were never written are one and the same to the CPU.
    { name: 'pages of zeros', buffer: Buffer.alloc(PAGES * pageSize, 1).fill(0), pages: PAGES, passes: 1 },
    { name: 'other pages', buffer: bytes.subarray(0, count * pageSize), pages: count, passes: 1 },
  ];
  const results = await takeTurns(
    pace,
    'zero pages',
    kinds,
    ({ name }) => name,
    (kind) => {
      const pass = () => {
        for (let at = 0; at < kind.buffer.length; at += pageSize) {
          if (isZero(kind.buffer, at)) zeroes++;
        }
      };
      let ms = timed(pass);
      kind.passes = Math.max(kind.passes, Math.min(1e5, Math.ceil(ROUND_MS / ms)));
      ms = timed(() => {
        for (let i = 0; i < kind.passes; i++) pass();
      });
      return ms / (kind.passes * kind.pages);
    },
  );
  if (zeroes === 0) throw new RangeError('a page of zeros was not taken for one');
  const [zero, other] = results.map(({ rounds }) => rounds);
  return {
    zeroNsPerPage: spreadOf(zero!.map((ms) => ms * 1e6)),
    otherNsPerPage: spreadOf(other!.map((ms) => ms * 1e6)),
    zeroBytesPerSecond: rateOf(pageSize, zero!),
    otherBytesPerSecond: rateOf(pageSize, other!),
  };
}
