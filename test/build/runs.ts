/** Which page frame is what: runs of equal blocks, and the room between them. */
import type { Look } from './page-kinds.ts';

/** `blocks` blocks of 2^look.order pages each, from `pfn` on. */
export interface Run {
  readonly pfn: number;
  readonly blocks: number;
  readonly look: Look;
}

/** Page frames [start, end). */
export interface PfnRange {
  readonly start: number;
  readonly end: number;
}

export const runEnd = (run: Run): number => run.pfn + run.blocks * 2 ** run.look.order;

/** Sorts runs and refuses overlaps. */
export function sortRuns(runs: readonly Run[]): Run[] {
  const sorted = runs.toSorted((a, b) => a.pfn - b.pfn);
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i].pfn < runEnd(sorted[i - 1])) {
      const [a, b] = [sorted[i - 1], sorted[i]];
      throw new Error(
        `${a.look.name} pages [${a.pfn}, ${runEnd(a)}) overlap ${b.look.name} pages from ${b.pfn} on`,
      );
    }
  }
  return sorted;
}

/** What is left of `ranges` (sorted, apart) after the runs (sorted, apart) are taken out. */
export function gapsBetween(ranges: readonly PfnRange[], runs: readonly Run[]): PfnRange[] {
  const gaps: PfnRange[] = [];
  let i = 0;
  for (const range of ranges) {
    let at = range.start;
    while (i < runs.length && runEnd(runs[i]) <= at) i++;
    for (let j = i; j < runs.length && runs[j].pfn < range.end; j++) {
      if (runs[j].pfn > at) gaps.push({ start: at, end: runs[j].pfn });
      at = Math.max(at, runEnd(runs[j]));
      i = j;
    }
    if (at < range.end) gaps.push({ start: at, end: range.end });
  }
  return gaps;
}

/** Hands out page frames from gaps, from the top down, as the kernel's early allocator does. */
export class PfnAllocator {
  #gaps: PfnRange[];
  readonly taken: PfnRange[] = [];

  constructor(gaps: readonly PfnRange[]) {
    this.#gaps = gaps.toSorted((a, b) => a.start - b.start);
  }

  get gaps(): readonly PfnRange[] {
    return this.#gaps;
  }

  /** First frame of `pages` contiguous frames aligned to `align` frames. Throws when no gap has the room. */
  take(pages: number, align = 1, what = 'kernel data'): number {
    for (let i = this.#gaps.length - 1; i >= 0; i--) {
      const start = Math.floor((this.#gaps[i].end - pages) / align) * align;
      if (start >= this.#gaps[i].start) {
        this.#cut(i, start, start + pages);
        return start;
      }
    }
    throw new Error(`no room for ${pages} pages of ${what}: leave some page frames without a kind`);
  }

  /** Takes exactly these frames, or says that they are not free. */
  takeAt(start: number, pages: number): boolean {
    const i = this.#gaps.findIndex((g) => g.start <= start && start + pages <= g.end);
    if (i < 0) return false;
    this.#cut(i, start, start + pages);
    return true;
  }

  isFree(start: number, pages: number): boolean {
    return this.#gaps.some((g) => g.start <= start && start + pages <= g.end);
  }

  #cut(i: number, start: number, end: number): void {
    const gap = this.#gaps[i];
    const rest = [
      { start: gap.start, end: start },
      { start: end, end: gap.end },
    ].filter((r) => r.start < r.end);
    this.#gaps.splice(i, 1, ...rest);
    const last = this.taken.at(-1);
    if (last && last.start === end) this.taken[this.taken.length - 1] = { start, end: last.end };
    else this.taken.push({ start, end });
  }
}
