/** An address in the text of the kernel or of a module, as "function+0x10". */

import type { KernelView } from './view.ts';

/** "function+0x10 [module]"; undefined where no symbol is there: in a program, beyond the image. */
export function placeOf(view: KernelView, vaddr: bigint): string | undefined {
  const { image, modules } = view.arch.imageRegions(view.info);
  if (vaddr < image.start || vaddr >= modules.end) return undefined;
  const place = view.placeOf(vaddr);
  if (place === undefined || place.name === '_end') return undefined;
  const offset = place.offset === 0 ? '' : `+0x${place.offset.toString(16)}`;
  return `${place.name}${offset}${place.module === undefined ? '' : ` [${place.module}]`}`;
}
