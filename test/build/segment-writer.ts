/** Writes guest memory into a core file: by physical address, into every segment that has it. */
import { writeSync } from 'node:fs';
import type { Load } from './elf.ts';

interface Segment {
  readonly start: number;
  readonly end: number;
  readonly offset: number;
}

export class SegmentWriter {
  readonly #fd: number;
  /** Sorted by start. */
  readonly #segments: readonly Segment[];
  readonly #longest: number;

  constructor(fd: number, loads: readonly Load[], offsets: readonly number[]) {
    this.#fd = fd;
    this.#segments = loads
      .map((l, i) => ({ start: l.paddr, end: l.paddr + (l.filesz ?? l.memsz), offset: offsets[i] }))
      .sort((a, b) => a.start - b.start);
    this.#longest = loads.reduce((longest, l) => Math.max(longest, l.memsz), 0);
  }

  /** Bytes outside all segments are lost. */
  write(paddr: number, bytes: Uint8Array): void {
    const end = paddr + bytes.length;
    // First segment that can reach paddr: none that starts more than the longest segment's length before it.
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#segments[middle].start + this.#longest <= paddr) low = middle + 1;
      else high = middle;
    }
    for (let i = low; i < this.#segments.length && this.#segments[i].start < end; i++) {
      const s = this.#segments[i];
      const from = Math.max(paddr, s.start);
      const to = Math.min(end, s.end);
      if (from < to) writeSync(this.#fd, bytes, from - paddr, to - from, s.offset + (from - s.start));
    }
  }
}
