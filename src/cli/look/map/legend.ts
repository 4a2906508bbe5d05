/** The rows of a legend: which kinds there are, and how much of each. */

import { MEMORY_KINDS, type MemoryKind } from '../../../filter/frame-kind.ts';
import type { Picture } from '../../../inspect/map.ts';
import { KIND_LOOKS, type KindLook } from '../kinds.ts';

export interface LegendRow extends KindLook {
  readonly kind: MemoryKind;
  readonly pages: number;
  readonly absentPages: number;
}

/** Of kinds that there are none of nothing is said. */
export function legendRows({ kinds }: Pick<Picture, 'kinds'>): LegendRow[] {
  return MEMORY_KINDS.filter((kind) => kinds[kind].pages > 0).map((kind) => ({
    kind,
    ...KIND_LOOKS[kind],
    ...kinds[kind],
  }));
}

/** "[r, g, b]" of "#rrggbb". */
export function rgbOf(colour: string): [number, number, number] {
  const value = Number.parseInt(colour.slice(1), 16);
  return [value >>> 16, (value >>> 8) & 0xff, value & 0xff];
}
