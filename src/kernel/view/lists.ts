/** Circular lists (struct list_head) as they lie in a dump: they may be torn, or lead in circles that their head is not in. */

import type { KernelView } from './view.ts';

const ENTRIES_A_BREATH = 8192;

export interface ListWalk {
  /** Addresses of the list_heads in the entries, without the head. */
  readonly entries: readonly bigint[];
  /** Why some may be missing; undefined: the walk came back to its head. */
  readonly torn: string | undefined;
}

/** Forwards; where that ends early, what is behind the tear is found from the other end. At most `most` entries. */
export function walkList(view: KernelView, head: bigint, most: number): ListWalk {
  const walk = walking(view, head, most);
  for (;;) {
    const { done, value } = walk.next();
    if (done) return value;
  }
}

/** The same for a list that may be long: `breathe` is called again and again, and may throw to end it. */
export async function walkLongList(
  view: KernelView,
  head: bigint,
  most: number,
  breathe: () => Promise<void>,
): Promise<ListWalk> {
  const walk = walking(view, head, most);
  for (;;) {
    const { done, value } = walk.next();
    if (done) return value;
    await breathe();
  }
}

type Walking = Generator<undefined, ListWalk, unknown>;

function* walking(view: KernelView, head: bigint, most: number): Walking {
  const seen = new Set<bigint>([head]);
  const forward = yield* follow(view, head, 0n, seen, most);
  if (forward.torn === undefined) return forward;
  const backward = yield* follow(view, head, 8n, seen, most - forward.entries.length);
  return { entries: [...forward.entries, ...backward.entries.toReversed()], torn: forward.torn };
}

/** `link`: where in a list_head the address of the next one stands: 0 `next`, 8 `prev`. */
function* follow(view: KernelView, head: bigint, link: bigint, seen: Set<bigint>, most: number): Walking {
  const entries: bigint[] = [];
  for (let at = head; ; ) {
    const next = view.u64(at + link);
    if (next === head) return { entries, torn: undefined };
    const torn =
      next === undefined
        ? `its entry at ${hex(at)} is not in the dump`
        : seen.has(next)
          ? `its entry at ${hex(at)} leads back to ${hex(next)}`
          : entries.length >= most
            ? `it has more than ${most.toLocaleString('en')} entries`
            : undefined;
    if (torn !== undefined) {
      // The last one's links are nowhere: it is no entry.
      if (next === undefined) entries.pop();
      return { entries, torn };
    }
    seen.add(next!);
    entries.push(next!);
    if (entries.length % ENTRIES_A_BREATH === 0) yield;
    at = next!;
  }
}

function hex(vaddr: bigint): string {
  return `0x${vaddr.toString(16)}`;
}
