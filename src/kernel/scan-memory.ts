/** Looks through all memory of a dump for a pattern of bytes. */

import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { pfnRuns } from '../read/extents.ts';

/** A physical address at which the pattern stands; undefined: `pages` were looked through. */
export interface MemoryStep {
  readonly paddr: number | undefined;
  readonly pages: number;
}

/** The pattern is shorter than a page. The reader may be used between two steps. */
export function* scanMemory(file: DumpFile, reader: MemoryReader, pattern: Buffer): Generator<MemoryStep> {
  const { pageSize } = reader;
  const keep = pattern.length - 1;
  const tail = Buffer.alloc(keep + pageSize);
  for (const { pfn, count } of pfnRuns(file.memory, pageSize)) {
    let tailLength = 0;
    for (let done = 0; done < count; ) {
      const pages = reader.load(pfn + done, count - done);
      if (pages === 0) {
        done++;
        tailLength = 0;
        yield { paddr: undefined, pages: 1 };
        continue;
      }
      const bytes = reader.bytes.subarray(reader.start, reader.start + pages * pageSize);
      const paddr = (pfn + done) * pageSize;
      // What lies across the edge of two loads is looked for in the tail of the one and the head of the other.
      bytes.copy(tail, tailLength, 0, keep);
      const across = tailLength > 0 ? tail.subarray(0, tailLength + keep).indexOf(pattern) : -1;
      const hits = across >= 0 ? [paddr - tailLength + across] : [];
      for (let at = bytes.indexOf(pattern); at >= 0; at = bytes.indexOf(pattern, at + 1))
        hits.push(paddr + at);
      // Whoever gets a hit may read there, which may use the reader's buffer: the load is done with first.
      tailLength = bytes.copy(tail, 0, Math.max(0, bytes.length - keep));
      for (const hit of hits) yield { paddr: hit, pages: 0 };
      done += pages;
      yield { paddr: undefined, pages };
    }
  }
}
