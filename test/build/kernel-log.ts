/** The kernel log in guest memory: printk_log records (to 5.9) or the ring buffer of 5.10+. */
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

const nsecOf = (index: number): bigint => BigInt(index) * 1_234_567_000n;

/** Writes a ring buffer of up to 64 messages, message n at n × 1.234567 s, all finalized. */
export function writeRingBuffer(pages: PhysicalPages, image: KernelImage, messages: readonly string[]): void {
  if (messages.length > descs) throw new Error(`at most ${descs} log messages`);
  const ring = image.at('printk_rb_static');
  const last = BigInt(Math.max(0, messages.length - 1));
  pages.writeU64(image.at('prb'), image.symbol('printk_rb_static'));
  pages.writeU32(ring, descBits);
  pages.writeU64(ring + 8, image.symbol('_printk_rb_static_descs'));
  pages.writeU64(ring + 16, image.symbol('_printk_rb_static_infos'));
  pages.writeU64(ring + 24, last);
  pages.writeU32(ring + 48, textBits);
  pages.writeU64(ring + 56, image.symbol('__log_buf'));
  let lpos = 0;
  for (const [i, message] of messages.entries()) {
    const text = Buffer.from(message, 'latin1');
    const next = lpos + Math.ceil((8 + text.length) / 8) * 8;
    if (next > textBytes) throw new Error('the log messages do not fit');
    const desc = image.at('_printk_rb_static_descs') + i * 24;
    pages.writeU64(desc, (2n << 62n) | BigInt(i)); // desc_finalized
    pages.writeU64(desc + 8, BigInt(lpos));
    pages.writeU64(desc + 16, BigInt(next));
    const info = image.at('_printk_rb_static_infos') + i * 88;
    pages.writeU64(info, BigInt(i));
    pages.writeU64(info + 8, nsecOf(i));
    pages.writeU32(info + 16, text.length);
    pages.writeU64(image.at('__log_buf') + lpos, BigInt(i));
    pages.write(image.at('__log_buf') + lpos + 8, text);
    lpos = next;
  }
  pages.writeU64(ring + 64, BigInt(lpos));
}

/** Writes struct printk_log records. */
export function writeLogBuf(pages: PhysicalPages, image: KernelImage, messages: readonly string[]): void {
  pages.writeU64(image.at('log_buf'), image.symbol('__log_buf'));
  pages.writeU32(image.at('log_buf_len'), textBytes);
  let at = 0;
  for (const [i, message] of messages.entries()) {
    const text = Buffer.from(message, 'latin1');
    const bytes = Math.ceil((16 + text.length) / 8) * 8;
    if (at + bytes > textBytes) throw new Error('the log messages do not fit');
    const record = image.at('__log_buf') + at;
    pages.writeU64(record, nsecOf(i));
    pages.writeU32(record + 8, bytes | (text.length << 16));
    pages.write(record + 16, text);
    at += bytes;
  }
  pages.writeU32(image.at('log_next_idx'), at);
}
