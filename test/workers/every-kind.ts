/** A small vmcore with every kind of page that a kernel has, contents in them, and some poisoned ones. */
import { type KernelName, kernelProfile } from '../build/kernel-profile.ts';
import { type BuiltVmcore, buildVmcore } from '../build/vmcore.ts';
import type { PageSpec, VmcoreOptions } from '../build/vmcore-options.ts';

/** First page frame of the kinds: behind an image at 16 MiB. */
export const KINDS_PFN = 8192;

/** All kinds of a kernel, those with 2^9 pages and more from KINDS_PFN on, the small ones behind them. */
export function everyKind(name: KernelName): PageSpec[] {
  const { types } = kernelProfile(name);
  const at = KINDS_PFN;
  const large: PageSpec[] = [
    { pfn: at, kind: 'buddy', order: 10, data: 'random' },
    { pfn: at + 1024, kind: 'thp', data: 'text' },
    { pfn: at + 1536, kind: 'hugetlb', data: 'text' },
    { pfn: at + 2048, kind: 'compound', order: 9, data: 'text' },
  ];
  if (types.unaccepted !== undefined) large.push({ pfn: at + 3072, kind: 'unaccepted', data: 'text' });
  let pfn = at + 2560;
  const small: PageSpec[] = [];
  const add = (spec: Omit<PageSpec, 'pfn'>): void => {
    const size = 2 ** (spec.order ?? (spec.kind === 'compound' ? 2 : 0));
    pfn = Math.ceil(pfn / size) * size;
    small.push({ ...spec, pfn });
    pfn += (spec.count ?? 1) * size;
  };
  for (const kind of ['kernel', 'reserved', 'slab', 'movable', 'table', 'orphanTail'] as const)
    add({ kind, count: 3, data: 'random' });
  for (const kind of ['cache', 'cachePrivate', 'swapcache', 'anon', 'ksm'] as const) {
    add({ kind, count: 5, data: 'text' });
    add({ kind, count: 2 }); // zeros
    add({ kind, hwpoison: true, data: 'random' });
  }
  for (const order of [0, 1, 3]) add({ kind: 'buddy', order, count: 3, data: 'text' });
  add({ kind: 'cache', order: 2, count: 2, data: 'text' });
  add({ kind: 'anon', order: 3, count: 2, data: 'random' });
  add({ kind: 'slab', order: 1, count: 2, data: 'text' });
  add({ kind: 'compound', order: 2, count: 2, data: 'text' });
  add({ kind: 'anon', waiters: true, count: 2, data: 'text' });
  add({ kind: 'hwpoison', count: 2, data: 'random' });
  if (types.guard !== undefined) add({ kind: 'guard', data: 'text' });
  if (types.offline !== undefined) add({ kind: 'offline', count: 3, data: 'random' });
  // A page as it mostly is: some bytes among zeros, the first of them zero.
  add({ kind: 'kernel', data: Uint8Array.from({ length: 4096 }, (_, i) => (i === 4095 ? 1 : 0)) });
  return [...large, ...small];
}

/** 64 MiB unless `options` say otherwise. */
export function buildEveryKind(options: VmcoreOptions): BuiltVmcore {
  const pages = everyKind(options.kernel ?? '6.1');
  // The kernel counts unaccepted memory among its free pages. Source: mm/page_alloc.c, __free_unaccepted.
  const free = pages.filter(({ kind }) => kind === 'buddy' || kind === 'unaccepted');
  const freePages = free.reduce((sum, s) => sum + (s.count ?? 1) * 2 ** (s.order ?? UNACCEPTED_ORDER), 0);
  return buildVmcore({ pages, cpus: 2, freePages: [0, freePages], ...options });
}

const UNACCEPTED_ORDER = 10;
