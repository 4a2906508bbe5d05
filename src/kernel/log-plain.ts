/** The kernel log before v3.5: plain text in a buffer that begins again, without records. Source: kernel/printk.c of v3.4. */

import type { PageTableWalker } from '../arch/page-table.ts';
import type { LogRecord } from './log.ts';
import { recordArea } from './log-layout.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** Read one by one: one that is missing must not take its neighbours along. */
const PAGE_BYTES = 4096;
const NEWLINE = 10;
/** No printk makes a longer line; what has no line end is handed out in parts. */
const MAX_LINE_BYTES = 65536;

/** Characters since the last `dmesg --clear`; undefined where VMCOREINFO does not lead to their number. */
export function plainClear(info: Vmcoreinfo, walker: PageTableWalker): number | undefined {
  return readU32(info, walker, 'logged_chars');
}

/** Each line with its end, oldest first; undefined stands for a page that is not in the dump. Undefined altogether: as ringRecords. */
export function plainLines(
  info: Vmcoreinfo,
  walker: PageTableWalker,
  chars = Number.POSITIVE_INFINITY,
): Generator<LogRecord | undefined> | undefined {
  const area = recordArea(info, walker);
  // Characters that were ever logged: the next one goes to this place, modulo the buffer's length.
  const end = readU32(info, walker, 'log_end');
  if (area === undefined || end === undefined || area.sizeBytes === 0) return undefined;
  // A power of two, because the kernel masks positions with it.
  if ((area.sizeBytes & (area.sizeBytes - 1)) !== 0) return undefined;
  const length = Math.min(end, area.sizeBytes, chars);
  return linesOf(pieces(area.vaddr, area.sizeBytes, end - length, length, walker));
}

function readU32(info: Vmcoreinfo, walker: PageTableWalker, symbol: string): number | undefined {
  const vaddr = info.symbol(symbol);
  return vaddr === undefined ? undefined : walker.read(vaddr, 4)?.readUInt32LE(0);
}

function* pieces(
  vaddr: bigint,
  sizeBytes: number,
  start: number,
  length: number,
  walker: PageTableWalker,
): Generator<Buffer | undefined> {
  for (let done = 0; done < length; ) {
    const at = (start + done) % sizeBytes;
    const inPage = Number((vaddr + BigInt(at)) % BigInt(PAGE_BYTES));
    const size = Math.min(length - done, sizeBytes - at, PAGE_BYTES - inPage);
    yield walker.read(vaddr + BigInt(at), size);
    done += size;
  }
}

function* linesOf(all: Iterable<Buffer | undefined>): Generator<LogRecord | undefined> {
  let rest = Buffer.alloc(0);
  const line = (text: Buffer): LogRecord => ({
    tsNsec: undefined,
    callerId: undefined,
    priority: undefined,
    text,
  });
  for (const piece of all) {
    if (piece === undefined) {
      if (rest.length > 0) yield line(rest);
      rest = Buffer.alloc(0);
      yield undefined;
      continue;
    }
    rest = Buffer.concat([rest, piece]);
    let from = 0;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, from)) {
      yield line(rest.subarray(from, end + 1));
      from = end + 1;
    }
    rest = rest.subarray(from);
    if (rest.length < MAX_LINE_BYTES) continue;
    yield line(rest);
    rest = Buffer.alloc(0);
  }
  if (rest.length > 0) yield line(rest);
}
