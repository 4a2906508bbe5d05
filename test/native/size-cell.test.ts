/** Sizes through a pointer. */
import { expect, it } from 'vitest';
import { SizeCell } from '../../src/native/size-cell.ts';

it('keeps sizes as C would read them, also beyond 32 bits', () => {
  const cell = new SizeCell();
  for (const size of [0, 1, 4096, 0xffff_ffff, 2 ** 32, 2 ** 40 + 7]) {
    cell.value = size;
    expect(cell.value).toBe(size);
    expect(new BigUint64Array(cell.words.buffer)[0]).toBe(BigInt(size));
  }
});
