/** The kernel log in guest memory: plain text (to 3.4), printk_log records (to 5.9) or the ring buffer of 5.10+. */
import type { KernelImage, SymbolRequest } from './kernel-image.ts';
import type { PhysicalPages } from './physical-pages.ts';

const descBits = 6;
const textBits = 14;
const descs = 2 ** descBits;
const textBytes = 2 ** textBits;

export const ringSymbols: readonly SymbolRequest[] = [
  { name: 'prb', bytes: 8, in: 'data' },
  { name: 'printk_rb_static', bytes: 88, in: 'data' },
  { name: 'clear_seq', bytes: 24, in: 'bss' },
  { name: '_printk_rb_static_descs', bytes: descs * 24, in: 'data' },
  { name: '_printk_rb_static_infos', bytes: descs * 88, in: 'data' },
  { name: '__log_buf', bytes: textBytes, in: 'bss' },
];
export const logBufSymbols: readonly SymbolRequest[] = [
  { name: 'log_buf', bytes: 8, in: 'data' },
  { name: 'log_buf_len', bytes: 4, in: 'data' },
  { name: 'log_first_idx', bytes: 4, in: 'bss' },
  { name: 'clear_idx', bytes: 4, in: 'bss' },
  { name: 'log_next_idx', bytes: 4, in: 'bss' },
  { name: '__log_buf', bytes: textBytes, in: 'bss' },
];
export const plainLogSymbols: readonly SymbolRequest[] = [
  { name: 'log_buf', bytes: 8, in: 'data' },
  { name: 'log_buf_len', bytes: 4, in: 'data' },
  { name: 'log_end', bytes: 4, in: 'bss' },
  { name: 'logged_chars', bytes: 4, in: 'bss' },
  { name: '__log_buf', bytes: textBytes, in: 'bss' },
];

const nsecOf = (index: number): bigint => BigInt(index) * 1_234_567_000n;

/** All levels and some facilities, in turn. */
export const priorityOf = (index: number) => ({ level: index % 8, facility: index % 12 });
/** Facility and level as two bytes of a record, the level above five bits of flags. */
const priorityBytes = (index: number, facility = priorityOf(index).facility): number => {
  const { level } = priorityOf(index);
  return facility | (((level << 5) | 0x6) << 8);
};

const ID_MASK = (1n << 62n) - 1n;
const RING = BigInt(textBytes);
const COUNT = BigInt(descs);
const mod64 = (n: bigint): bigint => BigInt.asUintN(64, n);

/** Every other message is a CPU's. */
export const callerOf = (index: number): number => (index % 2 === 0 ? index : 2 ** 31 + index);

interface RingState {
  readonly text: Buffer;
  /** Descriptors in use and reusable ones, oldest first, with the index of their message. */
  readonly live: { id: bigint; index: number; begin: bigint; next: bigint; reusable: boolean }[];
  headLpos: bigint;
  tailLpos: bigint;
}

interface RingOptions {
  /** The message behind the last `dmesg --clear`, or how many there are. */
  readonly clearedBefore?: number;
  /** clear_seq is a struct latched_seq. */
  readonly latched?: boolean;
  readonly perfectFit?: boolean;
  /** IDs begin with the largest of 62 bits, not of 32. */
  readonly wideIds?: boolean;
  /** Of all messages; without it some of all, in turn. */
  readonly facility?: number | undefined;
}

/**
 * Writes the ring buffer as the kernel has it after these messages, message n at n × 1.234567 s, all finalized: what had no room any
 * more is gone. A block that ends exactly where the ring does stays there with `perfectFit` (since v6.18), and goes to the beginning without.
 */
export function writeRingBuffer(
  pages: PhysicalPages,
  image: KernelImage,
  messages: readonly string[],
  { clearedBefore = 0, latched = true, perfectFit = false, wideIds = false, facility }: RingOptions = {},
): void {
  const start = mod64(-RING);
  const state: RingState = { text: Buffer.alloc(textBytes), live: [], headLpos: start, tailLpos: start };
  const firstId = -COUNT & (wideIds ? ID_MASK : 0xffffffffn);
  for (const [index, message] of messages.entries()) {
    if (state.live.length === descs) retire(state, state.live.shift()!);
    place(state, (firstId + BigInt(index)) & ID_MASK, index, Buffer.from(message, 'latin1'), perfectFit);
  }
  const ring = image.at('printk_rb_static');
  const descAt = (id: bigint) => image.at('_printk_rb_static_descs') + Number(id % COUNT) * 24;
  const initial = (firstId - 1n) & ID_MASK;
  const head = state.live.at(-1)?.id ?? initial;
  pages.writeU64(image.at('prb'), image.symbol('printk_rb_static'));
  // The latch is odd: the second value counts, and the first is being written.
  if (latched && clearedBefore > 0) pages.writeU64(image.at('clear_seq'), 1n);
  pages.writeU64(image.at('clear_seq') + (latched ? 16 : 0), BigInt(clearedBefore));
  pages.writeU32(ring, descBits);
  pages.writeU64(ring + 8, image.symbol('_printk_rb_static_descs'));
  pages.writeU64(ring + 16, image.symbol('_printk_rb_static_infos'));
  pages.writeU64(ring + 24, head);
  pages.writeU64(ring + 32, state.live.length < descs ? initial : state.live[0].id);
  pages.writeU32(ring + 48, textBits);
  pages.writeU64(ring + 56, image.symbol('__log_buf'));
  pages.writeU64(ring + 64, state.headLpos);
  pages.writeU64(ring + 72, state.tailLpos);
  pages.writeU64(descAt(initial), (3n << 62n) | initial);
  pages.write(image.at('__log_buf'), state.text);
  for (const { id, index, begin, next, reusable } of state.live) {
    pages.writeU64(descAt(id), ((reusable ? 3n : 2n) << 62n) | id);
    pages.writeU64(descAt(id) + 8, begin);
    pages.writeU64(descAt(id) + 16, next);
    const info = image.at('_printk_rb_static_infos') + Number(id % COUNT) * 88;
    pages.writeU64(info, BigInt(index));
    pages.writeU64(info + 8, nsecOf(index));
    pages.writeU32(info + 16, (messages[index].length | (priorityBytes(index, facility) << 16)) >>> 0);
    pages.writeU32(info + 20, callerOf(index));
  }
}

function place(state: RingState, id: bigint, index: number, text: Buffer, perfectFit: boolean): void {
  // EMPTY_LINE_LPOS
  if (text.length === 0) {
    state.live.push({ id, index, begin: 3n, next: 3n, reusable: false });
    return;
  }
  const size = BigInt(Math.ceil((8 + text.length) / 8) * 8);
  const begin = state.headLpos;
  const wraps = (lpos: bigint) => mod64(lpos) / RING;
  let next = mod64(begin + size);
  const wrapped = wraps(begin) !== wraps(perfectFit ? next - 1n : next);
  if (wrapped) next = next - (next % RING) + size;
  for (const old of state.live) {
    if (mod64(next - state.tailLpos) <= RING) break;
    retire(state, old);
  }
  state.headLpos = next;
  const at = wrapped ? 0 : Number(begin % RING);
  state.text.writeBigUInt64LE(id, Number(begin % RING));
  state.text.writeBigUInt64LE(id, at);
  text.copy(state.text, at + 8);
  state.live.push({ id, index, begin, next, reusable: false });
}

function retire(state: RingState, old: RingState['live'][number]): void {
  if (old.reusable) return;
  old.reusable = true;
  if (old.begin !== 3n) state.tailLpos = old.next;
}

/** Writes struct printk_log records as the kernel has them after these messages. */
export function writeLogBuf(
  pages: PhysicalPages,
  image: KernelImage,
  messages: readonly string[],
  clearedBefore = 0,
): void {
  const header = 16;
  const live: { at: number; bytes: number; index: number }[] = [];
  let next = 0;
  let end: number | undefined;
  let clearIdx = 0;
  for (const [index, message] of messages.entries()) {
    if (index === clearedBefore) clearIdx = next;
    const bytes = Math.ceil((header + message.length) / 8) * 8;
    const hasRoom = (): boolean => {
      const first = live[0]?.at ?? 0;
      const free = live.length === 0 || next > first ? Math.max(textBytes - next, first) : first - next;
      return free >= bytes + header;
    };
    while (!hasRoom()) live.shift();
    // An empty header says that the buffer begins again.
    if (next + bytes + header > textBytes) {
      end = next;
      next = 0;
    }
    live.push({ at: next, bytes, index });
    next += bytes;
  }
  const base = image.at('__log_buf');
  pages.writeU64(image.at('log_buf'), image.symbol('__log_buf'));
  pages.writeU32(image.at('log_buf_len'), textBytes);
  for (const { at, bytes, index } of live) {
    const text = Buffer.from(messages[index], 'latin1');
    pages.writeU64(base + at, nsecOf(index));
    pages.writeU32(base + at + 8, bytes | (text.length << 16));
    pages.writeU32(base + at + 12, (priorityBytes(index) << 16) >>> 0);
    pages.write(base + at + header, text);
  }
  if (end !== undefined) pages.write(base + end, new Uint8Array(header));
  pages.writeU32(image.at('log_first_idx'), live[0]?.at ?? 0);
  pages.writeU32(image.at('log_next_idx'), next);
  pages.writeU32(image.at('clear_idx'), clearedBefore < messages.length ? clearIdx : next);
}

/** Writes text as the kernel has it after these lines. */
export function writePlainLog(
  pages: PhysicalPages,
  image: KernelImage,
  lines: readonly string[],
  clearedBefore = 0,
): void {
  const bytesOf = (some: readonly string[]) =>
    Buffer.from(some.map((line) => `${line}\n`).join(''), 'latin1');
  const all = bytesOf(lines);
  const text = Buffer.alloc(textBytes);
  for (const [at, byte] of all.entries()) text[at % textBytes] = byte;
  pages.writeU64(image.at('log_buf'), image.symbol('__log_buf'));
  pages.writeU32(image.at('log_buf_len'), textBytes);
  pages.writeU32(image.at('log_end'), all.length);
  pages.writeU32(image.at('logged_chars'), Math.min(bytesOf(lines.slice(clearedBefore)).length, textBytes));
  pages.write(image.at('__log_buf'), text);
}
