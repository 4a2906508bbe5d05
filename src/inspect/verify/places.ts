/** Whether pages overlap, where they lie mostly in the order of their descriptors: then nothing has to be remembered of each. */

/** Of a dump whose pages lie in any order there are as many as pages. */
const MOST_RUNS = 2 ** 16;

/** The places of pages, as runs in which each page begins where the one before it ends. */
export class PlacesInOrder {
  private readonly dataFrom: number;
  private readonly from: number[] = [];
  private readonly ends: number[] = [];
  private firstEnd: number | undefined;

  /** The page of zeros, which many share, lies where the data begin. */
  constructor(dataFrom: number) {
    this.dataFrom = dataFrom;
  }

  add(place: number, size: number): void {
    const { from, ends } = this;
    const end = place + size;
    if (place === this.dataFrom) {
      if (end === this.firstEnd) return;
      this.firstEnd ??= end;
    }
    const last = ends.length - 1;
    if (place === ends[last]) ends[last] = end;
    else if (from.length < MOST_RUNS) {
      from.push(place);
      ends.push(end);
    }
  }

  /** True: no page has a byte of another; false: some have, or it was not found out. */
  areApart(): boolean {
    const { from, ends } = this;
    if (from.length >= MOST_RUNS) return false;
    const order = from.map((_, run) => run).sort((a, b) => from[a]! - from[b]!);
    return order.every((run, i) => i === 0 || ends[order[i - 1]!]! <= from[run]!);
  }
}
