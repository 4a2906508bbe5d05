/** The kernel log since v5.10: a ring of descriptors, one of infos, one of texts. Source: kernel/printk/printk_ringbuffer.{h,c}. */

import type { PageTableWalker } from '../arch/page-table.ts';
import type { LogRecord } from './log.ts';
import {
  callerIn,
  type KernelStruct,
  kernelStruct,
  type LogArea,
  priorityAt,
  priorityIn,
  ringArea,
} from './log-layout.ts';
import { LogMemory } from './log-memory.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** `state_var` has the descriptor's state in its two topmost bits, and its ID in the others. */
const DESC_FLAGS_SHIFT = 62n;
const DESC_ID_MASK = (1n << DESC_FLAGS_SHIFT) - 1n;
/** Written to when the machine stopped, or not used any more: no record, and nothing wrong. */
const desc_reserved = 0n;
const desc_reusable = 3n;

/** Position in the text ring of a record that has no text: odd numbers (FAILED_LPOS, EMPTY_LINE_LPOS). */
const DATALESS = 1n;
/** struct prb_data_block begins with the ID of its descriptor. */
const BLOCK_ID_BYTES = 8n;

/** Of a record that has text; the kernel reckons with 32 (PRB_AVGBITS). */
const LEAST_BLOCK_BYTES = 16;

interface Ring {
  readonly descs: bigint;
  readonly infos: bigint;
  readonly count: bigint;
  readonly tailId: bigint;
  readonly headId: bigint;
  readonly texts: LogArea;
  readonly prb_desc: KernelStruct<'state_var' | 'text_blk_lpos'>;
  readonly prb_data_blk_lpos: KernelStruct<'begin' | 'next'>;
  readonly printk_info: KernelStruct<'seq' | 'ts_nsec' | 'text_len'>;
  /** In printk_info. */
  readonly caller_id: number | undefined;
  readonly priority: number | undefined;
}

/**
 * Sequence number of the first record behind the last `dmesg --clear`; undefined where VMCOREINFO does not lead to it. Since v5.12 it is a
 * struct latched_seq: two values, of which the lowest bit of the latch in front of them names the one that is not being written.
 */
export function ringClear(info: Vmcoreinfo, walker: PageTableWalker): bigint | undefined {
  const vaddr = info.symbol('clear_seq');
  const first = vaddr === undefined ? undefined : walker.readU64(vaddr);
  if (vaddr === undefined || first === undefined || info.size('latched_seq') === undefined) return first;
  const values = kernelStruct(info, 'latched_seq', { val: 16 });
  return values && walker.readU64(vaddr + BigInt(values.offset.val) + (first & 1n) * 8n);
}

/** Descriptors, infos and texts; nothing where there is no ring to be found. */
export function ringAreas(info: Vmcoreinfo, walker: PageTableWalker): readonly LogArea[] {
  const ring = findRing(info, walker);
  if (ring === undefined) return [];
  const count = Number(ring.count);
  return [
    { vaddr: ring.descs, sizeBytes: count * ring.prb_desc.size },
    { vaddr: ring.infos, sizeBytes: count * ring.printk_info.size },
    ring.texts,
  ];
}

/** Oldest first; undefined stands for a record that is damaged or not in the dump. Undefined altogether: there is no ring to be found. */
export function ringRecords(
  info: Vmcoreinfo,
  walker: PageTableWalker,
  clearSeq?: bigint,
): Generator<LogRecord | undefined> | undefined {
  const ring = findRing(info, walker);
  return ring && recordsOf(clearSeq === undefined ? ring : since(clearSeq, ring, walker), walker);
}

/** Only what the ring holds from a sequence number on; all of it where that is gone, or where no record has that number yet. */
function since(clearSeq: bigint, ring: Ring, walker: PageTableWalker): Ring {
  const { headId, tailId } = ring;
  const next = nextSeq(ring, walker);
  const held = (headId + 1n - tailId) & DESC_ID_MASK;
  const wanted = next === undefined ? held : next - clearSeq;
  return wanted < 0n || wanted >= held ? ring : { ...ring, tailId: (headId + 1n - wanted) & DESC_ID_MASK };
}

/**
 * The sequence number that the next record would get. IDs and sequence numbers count up together, but from where IDs begin differs: as
 * 32 bits or as 62. So some record's own infos have to tell.
 */
function nextSeq(
  { infos, count, headId, tailId, printk_info }: Ring,
  walker: PageTableWalker,
): bigint | undefined {
  const { size, offset } = printk_info;
  const memory = new LogMemory(walker);
  for (let id = headId; ; id = (id - 1n) & DESC_ID_MASK) {
    const index = id % count;
    const seq = memory.read(infos + index * BigInt(size), size)?.readBigUInt64LE(offset.seq);
    if (seq !== undefined && seq % count === index) return seq + ((headId - id) & DESC_ID_MASK) + 1n;
    if (id === tailId) return undefined;
  }
}

/** Members of type atomic_long_t are read as what they hold: `counter` is their only member. */
function findRing(info: Vmcoreinfo, walker: PageTableWalker): Ring | undefined {
  const pointer = info.symbol('prb');
  const descRing = kernelStruct(info, 'prb_desc_ring', {
    count_bits: 4,
    descs: 8,
    infos: 8,
    head_id: 8,
    tail_id: 8,
  });
  const prb_data_blk_lpos = kernelStruct(info, 'prb_data_blk_lpos', { begin: 8, next: 8 });
  const buffer = descRing && kernelStruct(info, 'printk_ringbuffer', { desc_ring: descRing.size });
  const prb_desc =
    prb_data_blk_lpos &&
    kernelStruct(info, 'prb_desc', { state_var: 8, text_blk_lpos: prb_data_blk_lpos.size });
  const printk_info = kernelStruct(info, 'printk_info', { seq: 8, ts_nsec: 8, text_len: 2 });
  const texts = ringArea(info, walker);
  if (!pointer || !descRing || !buffer || !prb_desc || !prb_data_blk_lpos || !printk_info || !texts)
    return undefined;
  const address = walker.readU64(pointer);
  const bytes = address && walker.read(address + BigInt(buffer.offset.desc_ring), descRing.size);
  if (!bytes) return undefined;
  const { offset } = descRing;
  const bits = bytes.readUInt32LE(offset.count_bits);
  if (2 ** bits * LEAST_BLOCK_BYTES > texts.sizeBytes) return undefined;
  const count = 1n << BigInt(bits);
  const headId = bytes.readBigUInt64LE(offset.head_id) & DESC_ID_MASK;
  const tailId = bytes.readBigUInt64LE(offset.tail_id) & DESC_ID_MASK;
  const canBe = ((headId - tailId) & DESC_ID_MASK) < count;
  return {
    descs: bytes.readBigUInt64LE(offset.descs),
    infos: bytes.readBigUInt64LE(offset.infos),
    count,
    headId,
    // Where the tail makes no sense, every descriptor may have a record.
    tailId: canBe ? tailId : (headId - count + 1n) & DESC_ID_MASK,
    texts,
    prb_desc,
    prb_data_blk_lpos,
    printk_info,
    caller_id: callerIn(info, 'printk_info', printk_info.size),
    priority: priorityIn(info, 'printk_info', 2, printk_info.size),
  };
}

function* recordsOf(ring: Ring, walker: PageTableWalker): Generator<LogRecord | undefined> {
  const descs = new LogMemory(walker);
  const infos = new LogMemory(walker);
  const texts = new LogMemory(walker);
  const { size, offset } = ring.prb_desc;
  const end = (ring.headId + 1n) & DESC_ID_MASK;
  for (let id = ring.tailId; id !== end; id = (id + 1n) & DESC_ID_MASK) {
    const index = id % ring.count;
    const desc = descs.read(ring.descs + index * BigInt(size), size);
    if (desc === undefined) yield undefined;
    else {
      const stateVar = desc.readBigUInt64LE(offset.state_var);
      const state = stateVar >> DESC_FLAGS_SHIFT;
      if ((stateVar & DESC_ID_MASK) !== id) yield undefined;
      else if (state !== desc_reserved && state !== desc_reusable) {
        const lpos = desc.subarray(offset.text_blk_lpos);
        const block = blockOf(ring, lpos);
        if (block !== 'no text') yield block && readRecord(ring, id, block, infos, texts);
      }
    }
  }
}

/** A data block in the text ring, from its ID on. */
interface Block {
  readonly vaddr: bigint;
  readonly sizeBytes: number;
}

/** Undefined where no block can be so. */
function blockOf({ texts, prb_data_blk_lpos }: Ring, lpos: Buffer): Block | 'no text' | undefined {
  const { offset } = prb_data_blk_lpos;
  const begin = lpos.readBigUInt64LE(offset.begin);
  const next = lpos.readBigUInt64LE(offset.next);
  if (begin & next & DATALESS) return 'no text';
  const ringBytes = BigInt(texts.sizeBytes);
  const at = begin % ringBytes;
  const size = BigInt.asUintN(64, next - begin);
  // "printk_ringbuffer: don't needlessly wrap data blocks around" (September 2025): a block may end where the ring does.
  if (at + size <= ringBytes) return sized(texts.vaddr + at, size);
  // One that would go beyond the end lies at the beginning as a whole.
  const inNext = next % ringBytes;
  return at + size === ringBytes + inNext ? sized(texts.vaddr, inNext) : undefined;
}

function sized(vaddr: bigint, size: bigint): Block | undefined {
  return size < BLOCK_ID_BYTES ? undefined : { vaddr, sizeBytes: Number(size) };
}

function readRecord(
  { infos: first, count, printk_info, caller_id, priority }: Ring,
  id: bigint,
  block: Block,
  infos: LogMemory,
  texts: LogMemory,
): LogRecord | undefined {
  const { size, offset } = printk_info;
  const index = id % count;
  const info = infos.read(first + index * BigInt(size), size);
  // Sequence numbers and IDs count up together.
  if (info === undefined || info.readBigUInt64LE(offset.seq) % count !== index) return undefined;
  const idBytes = Number(BLOCK_ID_BYTES);
  const length = Math.min(info.readUInt16LE(offset.text_len), block.sizeBytes - idBytes);
  const bytes = texts.read(block.vaddr, idBytes + length);
  if (bytes === undefined || bytes.readBigUInt64LE(0) !== id) return undefined;
  return {
    tsNsec: info.readBigUInt64LE(offset.ts_nsec),
    callerId: caller_id === undefined ? undefined : info.readUInt32LE(caller_id),
    priority: priorityAt(info, priority),
    text: bytes.subarray(idBytes),
  };
}
