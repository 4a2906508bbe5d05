/** The kernel log's memory as it lies in the dump, for those who look for a line in it: no records, no order, no times. */

import type { PageTableWalker } from '../arch/page-table.ts';
import { recordArea, ringArea } from './log-layout.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** CONFIG_LOG_BUF_SHIFT is 25 at most; what `log_buf_len=` asks for beyond that is not looked at. */
const MAX_LOG_BYTES = 2 ** 25;
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
