/** Which bit of a page-table entry says "encrypted": what the kernel exports, a person says, or the page tables show. */

import type { Arch, SymbolSource } from '../arch/arch.ts';
import type { CachedMemory } from '../arch/memory.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { endOf } from '../read/extents.ts';
import { HIGHEST_MASK_BIT, LOWEST_MASK_BIT, maskBit } from './mask-bits.ts';
import { bitOfTables } from './mask-of-tables.ts';

/** Who said it: NUMBER(sme_mask), --sme-mask, or the entries of the top-level page table. */
export type MaskSource = 'vmcoreinfo' | 'option' | 'page tables';

export interface EncryptionMask {
  /** The bit to strip, or 0n. */
  readonly mask: bigint;
  /** Undefined where nobody speaks of a bit. */
  readonly source: MaskSource | undefined;
  /** One sentence where something is odd. */
  readonly warning: string | undefined;
}

/** Takes the mask from all that the dump and the person say, and looks at one page of the dump for it. */
export function findMask(
  file: DumpFile,
  memory: CachedMemory,
  arch: Arch,
  info: SymbolSource | undefined,
  override: bigint | undefined,
): EncryptionMask {
  const shown = bitOfTables(file, memory, arch, info);
  return chooseMask(info?.number('sme_mask'), override, shown, endOf(file.memory));
}

/**
 * Chooses the mask. `exported` is NUMBER(sme_mask), printed by the kernel as a signed decimal; other bits in it are
 * reserved ("misc SME info", Documentation/admin-guide/kdump/vmcoreinfo.rst): they are reported and not stripped.
 * `shown` is what the tables show: a mask, 0n where addresses lead to memory as they stand, undefined where they do not tell.
 * `endOfMemory` is the physical address behind the last byte: where memory lies at the bit, it is a bit of addresses.
 */
export function chooseMask(
  exported: bigint | undefined,
  override: bigint | undefined,
  shown?: bigint,
  endOfMemory = 0,
): EncryptionMask {
  if (override !== undefined) {
    const warning =
      shown === undefined || shown === override
        ? undefined
        : `--sme-mask says ${named(override)}, but the top-level page table shows ${named(shown)}; --sme-mask counts: leave it out if that is wrong`;
    return { mask: override, source: 'option', warning };
  }
  const said = exported === undefined ? { mask: 0n, warning: undefined } : singleBit(exported);
  // 0n shown does not overrule: a mask that no entry has is harmless to strip, and the kernel's word on encryption stays.
  if (shown !== undefined && shown !== 0n && shown !== said.mask) {
    const number = BigInt.asUintN(64, exported ?? 0n).toString(16);
    return {
      mask: shown,
      source: 'page tables',
      warning:
        exported === undefined
          ? undefined
          : `NUMBER(sme_mask)=0x${number}, but the top-level page table shows ${named(shown)}, which is taken instead`,
    };
  }
  if (said.mask === 0n) return { mask: 0n, source: undefined, warning: said.warning };
  if (said.mask !== shown && said.mask < BigInt(endOfMemory)) {
    const warning = `NUMBER(sme_mask) says ${named(said.mask)}, which is a bit of addresses: memory ends at 0x${endOfMemory.toString(16)}; it is not used, and --sme-mask gives the right one`;
    return { mask: 0n, source: undefined, warning };
  }
  const unseen =
    shown === 0n
      ? `NUMBER(sme_mask) says ${named(said.mask)}, but no entry of the top-level page table has it`
      : undefined;
  return { mask: said.mask, source: 'vmcoreinfo', warning: said.warning ?? unseen };
}

const named = (mask: bigint) => (mask === 0n ? 'no encryption bit' : `bit ${maskBit(mask)}`);

/** The one bit in the range that a number has, and what is odd about the number. */
function singleBit(number: bigint): { mask: bigint; warning: string | undefined } {
  const value = BigInt.asUintN(64, number);
  if (value === 0n) return { mask: 0n, warning: undefined };
  const range = ((1n << BigInt(HIGHEST_MASK_BIT + 1)) - 1n) & ~((1n << BigInt(LOWEST_MASK_BIT)) - 1n);
  const bits = value & range;
  const single = bits !== 0n && (bits & (bits - 1n)) === 0n;
  if (!single) {
    return {
      mask: 0n,
      warning: `NUMBER(sme_mask)=0x${value.toString(16)} does not have exactly one bit in ${LOWEST_MASK_BIT} to ${HIGHEST_MASK_BIT} and is not used; --sme-mask gives the right one`,
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
