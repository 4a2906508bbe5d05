/** The kernel log's memory as it lies in the dump, for those who look for a line in it: no records, no order, no times. */

import type { PageTableWalker } from '../arch/page-table.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** CONFIG_LOG_BUF_SHIFT is 25 at most; what `log_buf_len=` asks for beyond that is not looked at. */
const MAX_LOG_BYTES = 2 ** 25;
const MAX_SIZE_BITS = 31;
/** Read one by one: one that is missing must not take its neighbours along. */
const PAGE_BYTES = 4096;

/**
 * The bytes of the log's data area, piece by piece, each with the last `overlap` bytes of the one before; zeros where the dump has
 * none. Text of a message stands in the area in one piece. Nothing where VMCOREINFO does not lead to it. Source: kernel/printk/printk_ringbuffer.h (since v5.10), kernel/printk/printk.c.
 */
export function* logPieces(info: Vmcoreinfo, walker: PageTableWalker, overlap: number): Generator<Buffer> {
  const area = ringArea(info, walker) ?? recordArea(info, walker);
  if (area === undefined) return;
  const length = Math.min(area.sizeBytes, MAX_LOG_BYTES);
  const piece = Buffer.alloc(overlap + PAGE_BYTES);
  let held = 0;
  for (let at = 0; at < length; ) {
    const vaddr = area.vaddr + BigInt(at);
    const size = Math.min(length - at, PAGE_BYTES - Number(vaddr % BigInt(PAGE_BYTES)));
    const page = walker.read(vaddr, size);
    if (page === undefined) piece.fill(0, held, held + size);
    else page.copy(piece, held);
    yield piece.subarray(0, held + size);
    const kept = Math.min(overlap, held + size);
    piece.copyWithin(0, held + size - kept, held + size);
    held = kept;
    at += size;
  }
}

interface LogArea {
  readonly vaddr: bigint;
  readonly sizeBytes: number;
}

/** `prb` points to a struct printk_ringbuffer, in which the text has a struct prb_data_ring. */
function ringArea(info: Vmcoreinfo, walker: PageTableWalker): LogArea | undefined {
  const pointer = info.symbol('prb');
  const textRing = info.offset('printk_ringbuffer.text_data_ring');
  const sizeBits = info.offset('prb_data_ring.size_bits');
  const data = info.offset('prb_data_ring.data');
  if (pointer === undefined || textRing === undefined || sizeBits === undefined || data === undefined)
    return undefined;
  const ring = walker.readU64(pointer);
  if (ring === undefined) return undefined;
  const at = ring + BigInt(textRing);
  const bits = walker.read(at + BigInt(sizeBits), 4)?.readUInt32LE(0);
  const vaddr = walker.readU64(at + BigInt(data));
  if (bits === undefined || bits > MAX_SIZE_BITS || vaddr === undefined) return undefined;
  return { vaddr, sizeBytes: 2 ** bits };
}

/** Before v5.10: struct printk_log records in `log_buf`. */
function recordArea(info: Vmcoreinfo, walker: PageTableWalker): LogArea | undefined {
  const pointer = info.symbol('log_buf');
  const length = info.symbol('log_buf_len');
  if (pointer === undefined || length === undefined) return undefined;
  const vaddr = walker.readU64(pointer);
  const sizeBytes = walker.read(length, 4)?.readUInt32LE(0);
  return vaddr === undefined || sizeBytes === undefined ? undefined : { vaddr, sizeBytes };
}
