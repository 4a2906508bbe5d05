/** Where in a page-table entry the encryption bit can be. */

/** It was seen at 47 and 51; below 32 it would be an address bit of every machine. */
export const LOWEST_MASK_BIT = 32;
export const HIGHEST_MASK_BIT = 51;

/** Bit number of a mask with a single bit. */
export function maskBit(mask: bigint): number {
  return mask.toString(2).length - 1;
}
