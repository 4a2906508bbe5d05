/** An address in the kernel's text, as "function+0x10". */

import type { KernelView } from './view.ts';

/** Undefined where no symbol is there: in a module, in a program, beyond the image. */
export function placeOf(view: KernelView, vaddr: bigint): string | undefined {
  const { image } = view.arch.imageRegions(view.info);
  if (vaddr < image.start || vaddr >= image.end) return undefined;
  const place = view.symbols?.at(vaddr);
  if (place?.sizeBytes === undefined || place.name === '_end') return undefined;
  return place.offset === 0 ? place.name : `${place.name}+0x${place.offset.toString(16)}`;
}
