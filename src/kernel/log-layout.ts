/** How the crashed kernel lays out its log: structures as VMCOREINFO describes them, and where the memory of the texts lies. */

import type { PageTableWalker } from '../arch/page-table.ts';
import type { Priority } from './log.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** The largest log that a kernel makes (LOG_BUF_LEN_MAX). */
const MAX_LOG_BITS = 31;

/** No structure of the log is as large as a page of text. */
const MAX_STRUCT_BYTES = 4096;

/** A structure whose layout the crashed kernel decided, with the face of those in struct.ts. */
export interface KernelStruct<Member extends string> {
  readonly size: number;
  readonly offset: Readonly<Record<Member, number>>;
}

/** Undefined where VMCOREINFO lacks the structure or a member of it; `members` says how many bytes are read of each. */
export function kernelStruct<Member extends string>(
  info: Vmcoreinfo,
  name: string,
  members: Readonly<Record<Member, number>>,
): KernelStruct<Member> | undefined {
  const size = info.size(name);
  if (size === undefined || size > MAX_STRUCT_BYTES) return undefined;
  const offset = {} as Record<Member, number>;
  for (const member in members) {
    const at = info.offset(`${name}.${member}`);
    if (at === undefined || at + members[member] > size) return undefined;
    offset[member] = at;
  }
  return { size, offset };
}

/** The memory that the texts lie in. */
export interface LogArea {
  readonly vaddr: bigint;
  readonly sizeBytes: number;
}

/** Since v5.10 `prb` points to a struct printk_ringbuffer, in which the text has a struct prb_data_ring. */
export function ringArea(info: Vmcoreinfo, walker: PageTableWalker): LogArea | undefined {
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
  if (bits === undefined || bits > MAX_LOG_BITS || vaddr === undefined) return undefined;
  return { vaddr, sizeBytes: 2 ** bits };
}

/** Before v5.10: struct printk_log records in `log_buf`. */
export function recordArea(info: Vmcoreinfo, walker: PageTableWalker): LogArea | undefined {
  const pointer = info.symbol('log_buf');
  const length = info.symbol('log_buf_len');
  if (pointer === undefined || length === undefined) return undefined;
  const vaddr = walker.readU64(pointer);
  const sizeBytes = walker.read(length, 4)?.readUInt32LE(0);
  if (vaddr === undefined || sizeBytes === undefined || sizeBytes > 2 ** MAX_LOG_BITS) return undefined;
  return { vaddr, sizeBytes };
}

/** Where a record says who printed it, where the kernel exports that (v5.1; before v5.10 with CONFIG_PRINTK_CALLER only). */
export function callerIn(info: Vmcoreinfo, name: string, sizeBytes: number): number | undefined {
  const at = info.offset(`${name}.caller_id`);
  return at !== undefined && at + 4 <= sizeBytes ? at : undefined;
}

/**
 * Where a record has two bytes: its facility, and its level in the topmost three bits of the other. VMCOREINFO does not say it, but they
 * stand `distance` bytes behind text_len in all kernels that have them (v3.6), right before caller_id where there is one.
 */
export function priorityIn(
  info: Vmcoreinfo,
  name: string,
  distance: number,
  sizeBytes: number,
): number | undefined {
  const textLen = info.offset(`${name}.text_len`);
  const caller = info.offset(`${name}.caller_id`);
  if (textLen === undefined) return undefined;
  const at = textLen + distance;
  return at + 2 <= sizeBytes && (caller === undefined || caller === at + 2) ? at : undefined;
}

export function priorityAt(bytes: Buffer, at: number | undefined): Priority | undefined {
  return at === undefined ? undefined : { facility: bytes[at]!, level: bytes[at + 1]! >> 5 };
}
