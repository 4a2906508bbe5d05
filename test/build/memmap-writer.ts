/** Writes struct pages into the file, a section at a time. */
import { type Memmap, type MemmapChunk, sectionPages } from './memmap.ts';
import { pageSize } from './physical-pages.ts';
import { type Run, runEnd } from './runs.ts';
import type { SegmentWriter } from './segment-writer.ts';
import type { StructPageFiller } from './struct-pages.ts';

/** Writes every chunk. */
export function writeMemmap(
  memmap: Memmap,
  filler: StructPageFiller,
  runs: readonly Run[],
  writer: SegmentWriter,
): void {
  const buffer = new Uint8Array(sectionPages * 64);
  let from = 0;
  for (const chunk of memmap.chunks) {
    while (from < runs.length && runEnd(runs[from]) <= chunk.firstPfn) from++;
    filler.fill(buffer, chunk.firstPfn, runs, from);
    const bytes = buffer.length / chunk.pieces.length;
    for (const [i, paddr] of chunk.pieces.entries())
      writer.write(paddr, buffer.subarray(i * bytes, (i + 1) * bytes));
  }
}

/** Each page of a chunk's struct pages: its frame, and the first frame that it describes. */
export function chunkPages(chunk: MemmapChunk): [pfn: number, firstPfn: number][] {
  const pagesPerPiece = 512 / chunk.pieces.length;
  return chunk.pieces.flatMap((paddr, i) =>
    Array.from({ length: pagesPerPiece }, (_, j): [number, number] => [
      paddr / pageSize + j,
      chunk.firstPfn + (i * pagesPerPiece + j) * 64,
    ]),
  );
}
