/** An ELF core that is cut short: the memory whose bytes are in the file, page by page. */

import type { ElfDumpFile, Extents } from '../read/dump-file.ts';
import { openElf } from '../read/elf.ts';
import { extentsOf, type Segment } from '../read/extents.ts';
import { comma } from '../read/file.ts';
import { missingRanges, type Source } from '../read/source.ts';
import { type Broken, endsAt } from './broken.ts';

/** @throws SmeltError where its headers lead to no memory at all */
export function openBrokenElf(source: Source): Broken {
  const { file, cut } = openElf(source, true);
  const damage = cut.length === 0 ? [] : [`${endsAt(source)}, and it should have ${cut.join(', ')}`];
  const { stored, lostPages } = present(file);
  if (lostPages === 0) return { file, claimed: undefined, damage };
  return {
    file: { ...file, stored },
    claimed: file.stored,
    damage: [...damage, `the data of ${comma(lostPages)} pages are not in the file`],
  };
}

/** What the file has whole pages of: a page of which one byte is missing is not there. */
function present(file: ElfDumpFile): { stored: Extents; lostPages: number } {
  const { stored, pageSize } = file;
  const lost: Segment[] = [];
  for (let i = 0; i < stored.paddr.length; i++) {
    const toPaddr = stored.paddr[i]! - stored.byteOffset[i]!;
    for (const [from, end] of missingRanges(file, stored.byteOffset[i]!, stored.sizeBytes[i]!)) {
      const first = Math.floor((from + toPaddr) / pageSize) * pageSize;
      const behind = Math.ceil((end + toPaddr) / pageSize) * pageSize;
      lost.push({ paddr: first, sizeBytes: behind - first, byteOffset: 0 });
    }
  }
  const gone = extentsOf(lost);
  const left: Segment[] = [];
  for (let i = 0, g = 0; i < stored.paddr.length; i++) {
    const end = stored.paddr[i]! + stored.sizeBytes[i]!;
    let at = stored.paddr[i]!;
    while (g > 0 && gone.paddr[g - 1]! + gone.sizeBytes[g - 1]! > at) g--;
    const keep = (upTo: number) => {
      if (upTo <= at) return;
      left.push({
        paddr: at,
        sizeBytes: upTo - at,
        byteOffset: stored.byteOffset[i]! + at - stored.paddr[i]!,
      });
    };
    for (; g < gone.paddr.length && gone.paddr[g]! < end; g++) {
      keep(Math.min(end, gone.paddr[g]!));
      at = Math.max(at, gone.paddr[g]! + gone.sizeBytes[g]!);
    }
    keep(end);
  }
  const lostPages = gone.sizeBytes.reduce((sum, size) => sum + size / pageSize, 0);
  return { stored: extentsOf(left), lostPages };
}
