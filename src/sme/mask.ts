/** Which bit of a page-table entry says "encrypted": what the kernel exports, checked for sense. */

import { SmeltError } from '../errors.ts';

/** The C-bit was seen at 47 and 51; below 32 it would be an address bit of every machine. */
const LOWEST_BIT = 32;
const HIGHEST_BIT = 51;

export interface EncryptionMask {
  /** The bit to strip, or 0n. */
  readonly mask: bigint;
  readonly warning: string | undefined;
}

/** Bit number of a mask with a single bit. */
export function maskBit(mask: bigint): number {
  return mask.toString(2).length - 1;
}

/**
 * Chooses the mask. `exported` is NUMBER(sme_mask), printed by the kernel as a signed decimal; other bits in it are
 * reserved ("misc SME info", Documentation/admin-guide/kdump/vmcoreinfo.rst): they are reported and not stripped.
 */
export function chooseMask(exported: bigint | undefined, override: bigint | undefined): EncryptionMask {
  if (override !== undefined) return { mask: override, warning: undefined };
  if (exported === undefined || exported === 0n) return { mask: 0n, warning: undefined };
  const value = BigInt.asUintN(64, exported);
  const range = ((1n << BigInt(HIGHEST_BIT + 1)) - 1n) & ~((1n << BigInt(LOWEST_BIT)) - 1n);
  const bits = value & range;
  const single = bits !== 0n && (bits & (bits - 1n)) === 0n;
  if (!single) {
    return {
      mask: 0n,
      warning: `NUMBER(sme_mask)=0x${value.toString(16)} does not have exactly one bit in ${LOWEST_BIT} to ${HIGHEST_BIT} and is not used; --sme-mask gives the right one`,
    };
  }
  const others = value & ~bits;
  return {
    mask: bits,
    warning:
      others === 0n
        ? undefined
        : `NUMBER(sme_mask) has bits besides the encryption bit ${maskBit(bits)}: 0x${others.toString(16)}; they are left alone`,
  };
}

/** Checks a mask that a person gave. */
export function checkMaskOption(mask: bigint): bigint {
  const { mask: checked } = chooseMask(mask, undefined);
  if (checked !== mask) {
    throw new SmeltError(
      'USAGE',
      `--sme-mask: expected one bit in ${LOWEST_BIT} to ${HIGHEST_BIT}, saw 0x${mask.toString(16)}`,
      {
        hint: 'AMD machines have it at bit 47 (0x800000000000) or 51 (0x8000000000000).',
      },
    );
  }
  return mask;
}
