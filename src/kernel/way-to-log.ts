/** Which page frames lead to the kernel log: a part of a dump that has them and the kernel image shows the log. */

import type { Arch } from '../arch/arch.ts';
import type { PageTableWalker } from '../arch/page-table.ts';
import type { PfnRange } from './image.ts';
import { logAreas } from './log.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** Of the image and of each part of the log, at most: a damaged ring may claim anything. */
const MOST_BYTES = 2 ** 28;

/** Of the tables that map the image and the log, and of the log itself where it does not lie in the image. In no order. */
export function wayToLog(
  info: Vmcoreinfo,
  arch: Arch,
  walker: PageTableWalker,
  pageSize: number,
): readonly PfnRange[] {
  const image = arch.mappedImage(info, walker);
  const ofImage =
    image === undefined ? [] : [{ vaddr: image.start, sizeBytes: Number(image.end - image.start) }];
  const tables = new Set<number>();
  const ranges: PfnRange[] = [];
  const visit = ({ entryPaddr }: { entryPaddr: number }) => {
    tables.add(Math.floor(entryPaddr / pageSize));
  };
  for (const area of [...ofImage, ...logAreas(info, walker)]) {
    const { vaddr } = area;
    const sizeBytes = Math.min(area.sizeBytes, MOST_BYTES);
    for (let done = 0; done < sizeBytes; ) {
      const mapping = walker.translate(vaddr + BigInt(done), visit);
      const size = Math.min(sizeBytes - done, mapping?.sizeBytes ?? pageSize);
      if (mapping !== undefined) {
        const { paddr } = mapping;
        ranges.push({ pfn: Math.floor(paddr / pageSize), end: Math.ceil((paddr + size) / pageSize) });
      }
      done += size;
    }
  }
  const ofTables = Array.from(tables, (pfn) => ({ pfn, end: pfn + 1 }));
  return [...joined(ranges), ...ofTables];
}

/** Neighbours as one: an image that is mapped page by page would be thousands. */
function joined(ranges: readonly PfnRange[]): PfnRange[] {
  const all: PfnRange[] = [];
  for (const { pfn, end } of ranges) {
    const last = all.at(-1);
    if (last !== undefined && pfn >= last.pfn && pfn <= last.end)
      all[all.length - 1] = { pfn: last.pfn, end: Math.max(end, last.end) };
    else all.push({ pfn, end });
  }
  return all;
}
