/** Lists of a kernel: whole, torn, and such that lead in circles. */
import { describe, expect, it } from 'vitest';
import { walkList, walkLongList } from '../../../src/kernel/view/lists.ts';
import { ViewBuilder } from '../../build/view.ts';

const HEAD = 0xffff888000001000n;
const at = (i: number) => HEAD + BigInt(i) * 0x1000n;

/** A list of `count` entries, each in a page of its own. */
function listOf(count: number): ViewBuilder {
  const built = new ViewBuilder();
  for (let i = 0; i <= count; i++) built.u64(at(i), at((i + 1) % (count + 1)), at((i + count) % (count + 1)));
  return built;
}

describe('a list', () => {
  it('is walked from its head back to its head', () => {
    expect(walkList(listOf(4).view(), HEAD, 100)).toEqual({
      entries: [at(1), at(2), at(3), at(4)],
      torn: undefined,
    });
  });

  it('may be empty', () => {
    expect(walkList(listOf(0).view(), HEAD, 100)).toEqual({ entries: [], torn: undefined });
  });

  it('is walked from its other end where an entry leads nowhere', () => {
    const built = listOf(5);
    built.u64(at(2), 0xffff999999990000n);
    const { entries, torn } = walkList(built.view(), HEAD, 100);
    expect(entries).toEqual([at(1), at(2), at(3), at(4), at(5)]);
    expect(torn).toBe('its entry at 0xffff999999990000 is not in the dump');
  });

  it('that leads in a circle without its head is left', () => {
    const built = listOf(4);
    built.u64(at(3), at(2));
    const { entries, torn } = walkList(built.view(), HEAD, 100);
    expect(entries).toEqual([at(1), at(2), at(3), at(4)]);
    expect(torn).toContain('leads back to');
  });

  it('has no more entries than are asked for', () => {
    const { entries, torn } = walkList(listOf(20).view(), HEAD, 7);
    expect(entries).toHaveLength(7);
    expect(torn).toBe('it has more than 7 entries');
  });
});

describe('a long list', () => {
  it('is walked with pauses, in which the walk can be ended', async () => {
    const built = new ViewBuilder();
    const count = 20_000;
    const links = new BigUint64Array(2 * (count + 1));
    for (let i = 0; i <= count; i++) links[2 * i] = HEAD + 16n * BigInt((i + 1) % (count + 1));
    built.write(HEAD, new Uint8Array(links.buffer));
    let pauses = 0;
    const whole = await walkLongList(built.view(), HEAD, 100_000, async () => {
      pauses++;
    });
    expect([whole.entries.length, whole.torn, pauses]).toEqual([count, undefined, 2]);
    const ended = walkLongList(built.view(), HEAD, 100_000, async () => {
      throw new Error('enough');
    });
    await expect(ended).rejects.toThrow('enough');
  });
});
