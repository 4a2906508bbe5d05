/** The parts that makedumpfile --split makes: kdump files with the same headers and bitmaps, each with the pages of its range. */
import { buildKdump, type KdumpOptions } from './kdump.ts';

/** `bounds`: where one part ends and the next begins, ascending. Gives the parts' paths, in order. */
export function buildParts(options: KdumpOptions, bounds: readonly number[]): string[] {
  const last = options.maxMapnr ?? Math.max(...options.pages.keys()) + 1;
  const edges = [0, ...bounds, last];
  return edges.slice(1).map((end, i) => {
    const path = `${options.path}.${i + 1}`;
    buildKdump({ ...options, maxMapnr: last, path, split: { start: edges[i]!, end } });
    return path;
  });
}
