/** Two dumps page by page: what both have and is the same, what differs, and what only one of them has. */

import { ClassIndex, PAGE_CLASSES } from '../filter/page-class.ts';
import { windowSpan } from '../filter/plan.ts';
import { popcount, runsOf, setRange } from '../read/bitmap.ts';
import { existingBits, storedBits } from '../read/stored-pages.ts';
import { WindowSorter } from './classify-phase.ts';
import { FirstRuns, firstOf } from './first-runs.ts';
import { addDone, isStopped, type Job, takeWindows } from './job.ts';
import { PagePair } from './page-pair.ts';
import type { PfnRun } from './report.ts';
import type { Thread } from './thread.ts';

/** `other` has the windows of this job, and another dump. */
export interface DiffTask {
  readonly phase: 'diff';
  readonly other: Job;
}

export const DIFFERENCES = ['differ', 'onlyA', 'onlyB', 'unreadable'] as const;
export type Difference = (typeof DIFFERENCES)[number];

export interface FoundPages {
  readonly pages: number;
  /** By class, indexed as PAGE_CLASSES: as the dump that has them says, the first one where both do. */
  readonly classes: readonly number[];
  readonly runs: readonly PfnRun[];
}

export interface DiffResult extends Readonly<Record<Difference, FoundPages>> {
  readonly identicalPages: number;
}

/** Pages between two looks at the world. */
const LOOK_PAGES = 64;

/** Does windows until there are none left. Yields every so many pages. */
export function* diffPages(thread: Thread, other: Thread, seat?: number): Generator<void, DiffResult> {
  const { job } = thread;
  const { plan, shared } = job;
  const [a, b] = [new Side(thread), new Side(other)];
  const pair = new PagePair(thread.reader, other.reader);
  const found = new Found(plan.windowPages);
  for (const index of takeWindows(job, 'diff', seat)) {
    const { pfn, count } = windowSpan(plan, index);
    a.read(pfn, count);
    b.read(pfn, count);
    found.begin(pfn);
    const both = a.stored.map((byte, i) => byte & b.stored[i]!);
    for (const [from, to] of runsOf(both, 0, count)) {
      for (let at = from; at < to; ) {
        const n = pair.compare(pfn + at, Math.min(to - at, LOOK_PAGES), found.tell);
        at += n;
        yield;
        if (isStopped(shared)) return found.result();
      }
    }
    const lone = (has: Uint8Array, hasNot: Uint8Array) => has.map((byte, i) => byte & ~hasNot[i]!);
    found.add('onlyA', lone(a.stored, b.stored), count);
    found.add('onlyB', lone(b.stored, a.stored), count);
    found.count(count, index, a, b);
    addDone(
      shared,
      'diff',
      popcount(
        a.existing.map((byte, i) => byte | b.existing[i]!),
        count,
      ),
    );
    yield;
  }
  return found.result();
}

/** One of the dumps: which page frames of a window it has, and of which class they are. */
class Side {
  readonly existing: Uint8Array;
  readonly stored: Uint8Array;
  private readonly thread: Thread;
  private readonly sorter: WindowSorter;
  private readonly classes: Uint8Array;

  constructor(thread: Thread) {
    const { windowPages } = thread.job.plan;
    this.thread = thread;
    this.existing = new Uint8Array(windowPages / 8);
    this.stored = new Uint8Array(windowPages / 8);
    this.classes = new Uint8Array(windowPages);
    this.sorter = new WindowSorter(thread, (pfn, end, pageClass) => {
      this.classes.fill(pageClass, pfn % windowPages, (pfn % windowPages) + end - pfn);
    });
  }

  read(pfn: number, count: number): void {
    const { file } = this.thread.job;
    this.existing.fill(0);
    this.stored.fill(0);
    existingBits(file, pfn, count, this.existing);
    storedBits(file, pfn, count, this.existing, this.stored);
  }

  /** Index in PAGE_CLASSES, by page frame of the window. What a compound page has beyond its window counts as the kernel's. */
  classesOf(index: number): Uint8Array {
    this.classes.fill(ClassIndex.kernel);
    this.sorter.sort(index);
    return this.classes;
  }
}

/** What was found so far, and in the window at work. */
class Found {
  private identicalPages = 0;
  private windowPfn = 0;
  private readonly sums: Record<Difference, { pages: number; classes: number[]; runs: FirstRuns }>;
  private readonly bits: Record<Difference, Uint8Array>;

  constructor(windowPages: number) {
    const each = <T>(make: () => T) =>
      Object.fromEntries(DIFFERENCES.map((kind) => [kind, make()])) as Record<Difference, T>;
    const zeros = () => PAGE_CLASSES.map(() => 0);
    this.sums = each(() => ({ pages: 0, classes: zeros(), runs: new FirstRuns() }));
    this.bits = each(() => new Uint8Array(windowPages / 8));
  }

  begin(pfn: number): void {
    this.windowPfn = pfn;
    for (const kind of DIFFERENCES) this.bits[kind].fill(0);
  }

  readonly tell: Parameters<PagePair['compare']>[2] = (pfn, pages, what) => {
    if (what === 'identical') this.identicalPages += pages;
    else if (what !== 'neither')
      setRange(this.bits[what], pfn - this.windowPfn, pfn - this.windowPfn + pages);
  };

  add(kind: Difference, bits: Uint8Array, count: number): void {
    for (const [from, to] of runsOf(bits, 0, count)) setRange(this.bits[kind], from, to);
  }

  /** Counts what is in the window, when all of it is known. */
  count(count: number, index: number, a: Side, b: Side): void {
    for (const kind of DIFFERENCES) {
      const bits = this.bits[kind];
      if (bits.every((byte) => byte === 0)) continue;
      const classes = (kind === 'onlyB' ? b : a).classesOf(index);
      const sum = this.sums[kind];
      for (const [from, to] of runsOf(bits, 0, count)) {
        sum.runs.add(this.windowPfn + from, to - from);
        sum.pages += to - from;
        for (let bit = from; bit < to; bit++) sum.classes[classes[bit]!]!++;
      }
    }
  }

  result(): DiffResult {
    const of = (kind: Difference): FoundPages => ({ ...this.sums[kind], runs: this.sums[kind].runs.runs });
    return {
      identicalPages: this.identicalPages,
      differ: of('differ'),
      onlyA: of('onlyA'),
      onlyB: of('onlyB'),
      unreadable: of('unreadable'),
    };
  }
}

/** Adds up what the threads found. */
export function sumDiff(results: readonly DiffResult[]): DiffResult {
  const sumOf = (kind: Difference): FoundPages => ({
    pages: results.reduce((sum, each) => sum + each[kind].pages, 0),
    classes: PAGE_CLASSES.map((_, i) => results.reduce((sum, each) => sum + each[kind].classes[i]!, 0)),
    runs: firstOf(results.map((each) => each[kind].runs)),
  });
  return {
    identicalPages: results.reduce((sum, each) => sum + each.identicalPages, 0),
    differ: sumOf('differ'),
    onlyA: sumOf('onlyA'),
    onlyB: sumOf('onlyB'),
    unreadable: sumOf('unreadable'),
  };
}
