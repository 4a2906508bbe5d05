/** The kernel log from v3.5 to v5.9: struct printk_log records one behind the other in a buffer that begins again. Source: kernel/printk/printk.c. */

import type { PageTableWalker } from '../arch/page-table.ts';
import type { LogRecord } from './log.ts';
import { callerIn, type KernelStruct, kernelStruct, type LogArea, recordArea } from './log-layout.ts';
import { LogMemory } from './log-memory.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

interface RecordBuffer {
  readonly area: LogArea;
  /** Byte offsets of the oldest record, and behind the newest. */
  readonly firstIdx: number;
  readonly nextIdx: number;
  readonly printk_log: KernelStruct<'ts_nsec' | 'len' | 'text_len'>;
  /** In printk_log. */
  readonly caller_id: number | undefined;
}

/** As ringRecords; behind a record whose length cannot be there are none to be found up to where the buffer begins again. */
export function bufferRecords(
  info: Vmcoreinfo,
  walker: PageTableWalker,
): Generator<LogRecord | undefined> | undefined {
  const area = recordArea(info, walker);
  const printk_log = kernelStruct(info, 'printk_log', { ts_nsec: 8, len: 2, text_len: 2 });
  const firstIdx = readIndex(info, walker, 'log_first_idx');
  const nextIdx = readIndex(info, walker, 'log_next_idx');
  if (area === undefined || printk_log === undefined || firstIdx === undefined || nextIdx === undefined)
    return undefined;
  if (firstIdx > area.sizeBytes || nextIdx > area.sizeBytes) return undefined;
  const caller_id = callerIn(info, 'printk_log', printk_log.size);
  return recordsOf({ area, firstIdx, nextIdx, printk_log, caller_id }, walker);
}

function readIndex(info: Vmcoreinfo, walker: PageTableWalker, symbol: string): number | undefined {
  const vaddr = info.symbol(symbol);
  return vaddr === undefined ? undefined : walker.read(vaddr, 4)?.readUInt32LE(0);
}

function* recordsOf(buffer: RecordBuffer, walker: PageTableWalker): Generator<LogRecord | undefined> {
  const { area, firstIdx, nextIdx } = buffer;
  const memory = new LogMemory(walker);
  if (nextIdx >= firstIdx) {
    yield* recordsBetween(buffer, memory, firstIdx, nextIdx);
    return;
  }
  yield* recordsBetween(buffer, memory, firstIdx, area.sizeBytes);
  yield* recordsBetween(buffer, memory, 0, nextIdx);
}

function* recordsBetween(
  { area, printk_log, caller_id }: RecordBuffer,
  memory: LogMemory,
  start: number,
  end: number,
): Generator<LogRecord | undefined> {
  const { size, offset } = printk_log;
  for (let at = start; at < end; ) {
    const header = end - at < size ? undefined : memory.read(area.vaddr + BigInt(at), size);
    const len = header?.readUInt16LE(offset.len);
    // A length of 0 says that the buffer begins again; only the first stretch has one, and it is its end.
    if (len === 0 && end === area.sizeBytes) return;
    if (header === undefined || len === undefined || len < size || at + len > end) {
      yield undefined;
      return;
    }
    const textLen = header.readUInt16LE(offset.text_len);
    const text = size + textLen > len ? undefined : memory.read(area.vaddr + BigInt(at + size), textLen);
    yield text && {
      tsNsec: header.readBigUInt64LE(offset.ts_nsec),
      callerId: caller_id === undefined ? undefined : header.readUInt32LE(caller_id),
      text,
    };
    at += len;
  }
}
