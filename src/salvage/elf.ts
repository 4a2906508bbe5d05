/** An ELF core that is cut short: the memory whose bytes are in the file, page by page. */

import type { ElfDumpFile, Extents } from '../read/dump-file.ts';
import { type LoadSegment, openElf } from '../read/elf.ts';
import { extentsOf, type Segment } from '../read/extents.ts';
import { comma } from '../read/file.ts';
import { missingRanges, type Source } from '../read/source.ts';
import { type Broken, endsAt } from './broken.ts';

/** Memory that the file is not even said to have the bytes of, at most: makedumpfile -E leaves out that much and more of no machine. */
const MOST_LEFT_OUT = 2 ** 40;
/** Between two ranges of memory, at most. */
const MOST_HOLE = 2 ** 44;

/** @throws SmeltError where its headers lead to no memory at all */
export function openBrokenElf(source: Source): Broken {
  let dropped = 0;
  const { file, cut } = openElf(source, (segments) => {
    const possible = withoutImpossible(segments);
    dropped = segments.length - possible.length;
    return possible;
  });
  const damage = [
    ...(cut.length === 0 ? [] : [`${endsAt(source)}, and it should have ${cut.join(', ')}`]),
    ...(dropped === 0 ? [] : [`${comma(dropped)} of its program headers say what cannot be`]),
  ];
  const { stored, lostPages } = present(file);
  if (lostPages === 0) return { file, claimed: undefined, damage };
  return { file: { ...file, stored }, claimed: file.stored, damage };
}

/** One program header that is damaged must not make a machine of petabytes. */
function withoutImpossible(segments: readonly LoadSegment[]): LoadSegment[] {
  const sizes = segments.map((segment) => ({
    ...segment,
    // Never more bytes than memory.
    memsz: segment.askedMemsz,
    filesz: Math.min(segment.filesz, segment.askedMemsz),
  }));
  const leftOut = sizes.reduce((sum, { memsz, filesz }) => sum + memsz - filesz, 0);
  const backed =
    leftOut <= MOST_LEFT_OUT ? sizes : sizes.map((segment) => ({ ...segment, memsz: segment.filesz }));
  let end = 0;
  const possible = new Set<LoadSegment>();
  for (const segment of [...backed].sort((a, b) => a.paddr - b.paddr)) {
    if (segment.paddr - end > MOST_HOLE) break;
    end = Math.max(end, segment.paddr + segment.memsz);
    possible.add(segment);
  }
  // In the order of the file: of two that overlap the first one counts.
  return backed.filter((segment) => possible.has(segment));
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
