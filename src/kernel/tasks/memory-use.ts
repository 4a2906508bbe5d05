/** How much memory a process had: its address space, and what of it was in memory. */

import { nodes } from '../free-pages.ts';
import type { Cpus } from '../view/cpus.ts';
import type { KernelView } from '../view/view.ts';

/** In bytes. */
export interface MemoryUse {
  readonly virtualBytes: number;
  /** The sum of the next three. */
  readonly residentBytes: number;
  readonly anonBytes: number;
  readonly fileBytes: number;
  readonly shmemBytes: number;
  /** Not in memory. */
  readonly swapBytes: number;
}

/** What is counted, in this order. Source: include/linux/mm_types_task.h. */
const [MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES] = [0, 1, 2, 3];

/** `threadDeltas`: what the threads of the process had counted and not yet told it (up to v6.1). */
export function memoryUse(
  view: KernelView,
  cpus: Cpus,
  mm: bigint,
  threadDeltas: readonly number[],
): MemoryUse | undefined {
  const process = view.struct(mm, 'mm_struct');
  const total = process?.number('total_vm');
  const pages = process && residentPages(view, cpus, mm);
  if (total === undefined || pages === undefined) return undefined;
  const { pageSize } = view.memory;
  const of = (...kinds: number[]) => {
    const sum = kinds.reduce((all, kind) => all + pages[kind]! + (threadDeltas[kind] ?? 0), 0);
    return Math.max(0, sum) * pageSize;
  };
  const use = {
    virtualBytes: total * pageSize,
    residentBytes: of(MM_FILEPAGES, MM_ANONPAGES, MM_SHMEMPAGES),
    anonBytes: of(MM_ANONPAGES),
    fileBytes: of(MM_FILEPAGES),
    shmemBytes: of(MM_SHMEMPAGES),
    swapBytes: of(MM_SWAPENTS),
  };
  // No address space is larger.
  return Object.values(use).every(Number.isSafeInteger) ? use : undefined;
}

/** What a thread had counted and not yet told. Linux commit f1a7941243c1 ("mm: convert mm's rss stats into percpu_counter"), v6.2, ended that. */
export function threadDeltas(view: KernelView, task: bigint): number[] {
  const field = view.field('task_struct', 'rss_stat.count');
  if (field?.length === undefined || field.length > 8) return [];
  const bytes = view.read(task + BigInt(field.byteOffset), 4 * field.length);
  return bytes === undefined ? [] : Array.from({ length: field.length }, (_, i) => bytes.readInt32LE(4 * i));
}

function residentPages(view: KernelView, cpus: Cpus, mm: bigint): number[] | undefined {
  const plain = view.field('mm_struct', 'rss_stat.count');
  if (plain !== undefined) return counts(view, mm + BigInt(plain.byteOffset));
  const stat = view.field('mm_struct', 'rss_stat');
  const each = view.sizeOf('percpu_counter');
  if (stat?.structName !== 'percpu_counter' || each === undefined || (stat.length ?? 0) < 4) return undefined;
  const pages: number[] = [];
  for (let kind = 0; kind < 4; kind++) {
    const counter = view.struct(mm + BigInt(stat.byteOffset + kind * each), 'percpu_counter');
    const sum = counter?.signed('count');
    const perCpu = counter?.unsigned('counters');
    if (sum === undefined || perCpu === undefined) return undefined;
    const deltas = cpus.numbers.map((cpu) => {
      const at = cpus.address(perCpu, cpu);
      return (at === undefined ? undefined : view.i32(at)) ?? 0;
    });
    pages.push(deltas.reduce((all, delta) => all + delta, sum));
  }
  return pages;
}

function counts(view: KernelView, at: bigint): number[] | undefined {
  const bytes = view.read(at, 4 * 8);
  return bytes && Array.from({ length: 4 }, (_, i) => Number(bytes.readBigInt64LE(8 * i)));
}

/** Page frames that the machine had (node_present_pages), those among them that the kernel did not manage; what crash takes for 100 %. */
export function presentPages(view: KernelView): number | undefined {
  const field = view.field('pglist_data', 'node_present_pages');
  if (field === undefined) return undefined;
  let pages = 0;
  for (const node of nodes(view.info, view.walker))
    pages += Number(view.u64(node + BigInt(field.byteOffset)) ?? 0n);
  return pages > 0 ? pages : undefined;
}
