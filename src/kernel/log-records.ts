/** The kernel log from v3.5 to v5.9: struct printk_log records one behind the other in a buffer that begins again. Source: kernel/printk/printk.c. */

import type { PageTableWalker } from '../arch/page-table.ts';
import type { LogRecord } from './log.ts';
import {
  callerIn,
  type KernelStruct,
  kernelStruct,
  type LogArea,
  priorityAt,
  priorityIn,
  recordArea,
} from './log-layout.ts';
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
  readonly priority: number | undefined;
}

/** Byte offset of the first record behind the last `dmesg --clear`; undefined where VMCOREINFO does not lead to it. */
export function bufferClear(info: Vmcoreinfo, walker: PageTableWalker): number | undefined {
  return readIndex(info, walker, 'clear_idx');
}

/** As ringRecords; behind a record whose length cannot be there are none to be found up to where the buffer begins again. */
export function bufferRecords(
  info: Vmcoreinfo,
  walker: PageTableWalker,
  clearIdx?: number,
): Generator<LogRecord | undefined> | undefined {
  const area = recordArea(info, walker);
  const printk_log = kernelStruct(info, 'printk_log', { ts_nsec: 8, len: 2, text_len: 2 });
  const firstIdx = readIndex(info, walker, 'log_first_idx');
  const nextIdx = readIndex(info, walker, 'log_next_idx');
  if (area === undefined || printk_log === undefined || firstIdx === undefined || nextIdx === undefined)
    return undefined;
  if (firstIdx > area.sizeBytes || nextIdx > area.sizeBytes) return undefined;
  const caller_id = callerIn(info, 'printk_log', printk_log.size);
  // dict_len stands between.
  const priority = priorityIn(info, 'printk_log', 4, printk_log.size);
  const buffer = { area, firstIdx, nextIdx, printk_log, caller_id, priority };
  return recordsOf(clearIdx === undefined ? buffer : since(clearIdx, buffer, walker), walker);
}

function readIndex(info: Vmcoreinfo, walker: PageTableWalker, symbol: string): number | undefined {
  const vaddr = info.symbol(symbol);
  return vaddr === undefined ? undefined : walker.read(vaddr, 4)?.readUInt32LE(0);
}

/** What was there at the clear may be gone, and other records lie there now: then all that is left came behind it. */
function since(clearIdx: number, buffer: RecordBuffer, walker: PageTableWalker): RecordBuffer {
  const { area, nextIdx, printk_log } = buffer;
  if (clearIdx === nextIdx) return { ...buffer, firstIdx: nextIdx };
  const memory = new LogMemory(walker);
  for (const { start, end } of stretches(buffer)) {
    // The empty header where the buffer begins again may be what stands there.
    for (const { at, header } of headers(area, printk_log, memory, start, end))
      if (at === clearIdx) return header === undefined ? buffer : { ...buffer, firstIdx: clearIdx };
  }
  return buffer;
}

function* recordsOf(buffer: RecordBuffer, walker: PageTableWalker): Generator<LogRecord | undefined> {
  const { area, printk_log, caller_id, priority } = buffer;
  const { size, offset } = printk_log;
  const memory = new LogMemory(walker);
  for (const { start, end } of stretches(buffer)) {
    for (const { at, header } of headers(area, printk_log, memory, start, end)) {
      if (header === undefined) {
        yield undefined;
        continue;
      }
      const len = header.readUInt16LE(offset.len);
      if (len === 0) continue;
      const textLen = header.readUInt16LE(offset.text_len);
      const text = size + textLen > len ? undefined : memory.read(area.vaddr + BigInt(at + size), textLen);
      yield text && {
        tsNsec: header.readBigUInt64LE(offset.ts_nsec),
        callerId: caller_id === undefined ? undefined : header.readUInt32LE(caller_id),
        priority: priorityAt(header, priority),
        text,
      };
    }
  }
}

/** Parts of the buffer, oldest records first. */
function stretches({ area, firstIdx, nextIdx }: RecordBuffer): { start: number; end: number }[] {
  if (nextIdx >= firstIdx) return [{ start: firstIdx, end: nextIdx }];
  return [
    { start: firstIdx, end: area.sizeBytes },
    { start: 0, end: nextIdx },
  ];
}

/** Headers one behind the other; one of length 0 says that the buffer begins again, one that cannot be is undefined: either is the last. */
function* headers(
  area: LogArea,
  { size, offset }: RecordBuffer['printk_log'],
  memory: LogMemory,
  start: number,
  end: number,
): Generator<{ readonly at: number; readonly header: Buffer | undefined }> {
  for (let at = start; at < end; ) {
    const header = end - at < size ? undefined : memory.read(area.vaddr + BigInt(at), size);
    const len = header?.readUInt16LE(offset.len);
    // Only the first of two stretches has an empty one, and it is its end.
    const isEnd = len === 0 && end === area.sizeBytes;
    const canBe = len !== undefined && len >= size && at + len <= end;
    yield { at, header: isEnd || canBe ? header : undefined };
    if (!canBe) return;
    at += len;
  }
}
