/** The direct map. */
import type { Leaf, PageTables } from './page-tables.ts';
import { pageSize } from './physical-pages.ts';
import type { PfnRange } from './runs.ts';

/** The direct map of all whole pages of RAM, cut where the mask goes off and on again. */
export function mapDirect(
  tables: PageTables,
  usable: readonly PfnRange[],
  shared: readonly { readonly pfn: number; readonly count: number }[],
  pageOffset: bigint,
  leaf: Leaf,
): void {
  const map = (start: number, end: number, encrypted: boolean): void => {
    if (start < end) {
      const paddr = start * pageSize;
      tables.map(pageOffset + BigInt(paddr), paddr, (end - start) * pageSize, { leaf, encrypted });
    }
  };
  const cuts = shared.map((s) => ({ start: s.pfn, end: s.pfn + s.count })).sort((a, b) => a.start - b.start);
  for (const range of usable) {
    let at = range.start;
    for (const cut of cuts.filter((c) => c.start < range.end && c.end > range.start)) {
      const start = Math.max(cut.start, range.start);
      const end = Math.min(cut.end, range.end);
      map(at, start, true);
      map(start, end, false);
      at = end;
    }
    map(at, range.end, true);
  }
}
