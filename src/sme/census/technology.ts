/** Which technology encrypted the memory: the bit in the page tables is the same for a host with SME and a guest with SEV. */

import type { PageTableWalker } from '../../arch/page-table.ts';
import type { KernelSymbols } from '../../kernel/kallsyms.ts';
import { logPieces } from '../../kernel/log-text.ts';
import type { Vmcoreinfo } from '../../kernel/vmcoreinfo.ts';
import { type EncryptionFeature, featuresOfLog, featuresOfSevStatus, LOG_LINE_BYTES } from '../features.ts';

export interface Technology {
  readonly features: readonly EncryptionFeature[];
  readonly from: 'sev_status' | 'kernel log';
}

/** Undefined where neither the variable nor the log says anything. */
export function findTechnology(
  info: Vmcoreinfo,
  symbols: KernelSymbols | undefined,
  walker: PageTableWalker,
  encryptionMask: bigint,
): Technology | undefined {
  const vaddr = symbols?.get('sev_status');
  const status = vaddr === undefined ? undefined : walker.readU64(vaddr);
  const features = status === undefined ? undefined : featuresOfStatus(status, encryptionMask);
  if (features !== undefined) return { features, from: 'sev_status' };
  for (const piece of logPieces(info, walker, LOG_LINE_BYTES)) {
    const logged = featuresOfLog(piece.toString('latin1'));
    if (logged !== undefined) return { features: logged, from: 'kernel log' };
  }
  return undefined;
}

/** 0 on a host: it tells of SME only beside a mask. All other features need the first bit. */
function featuresOfStatus(status: bigint, encryptionMask: bigint): EncryptionFeature[] | undefined {
  if (status === 0n) return encryptionMask === 0n ? undefined : ['SME'];
  const features = featuresOfSevStatus(status);
  return features[0] === 'SEV' ? features : undefined;
}
