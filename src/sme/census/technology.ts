/** Which technology encrypted the memory: the bit in the page tables is the same for a host with SME and a guest with SEV. */

import type { PageTableWalker } from '../../arch/page-table.ts';
import { logText } from '../../kernel/log-text.ts';
import type { KernelSymbols } from '../../kernel/symbols.ts';
import type { Vmcoreinfo } from '../../kernel/vmcoreinfo.ts';

/** As the kernel calls them. */
export type EncryptionFeature = 'SME' | 'SEV' | 'SEV-ES' | 'SEV-SNP' | 'Intel TDX';

export interface Technology {
  readonly features: readonly EncryptionFeature[];
  readonly from: 'sev_status' | 'kernel log';
}

/** Bits of MSR_AMD64_SEV, of which `sev_status` is a copy. Source: arch/x86/include/asm/msr-index.h. */
const SEV_STATUS_BITS: readonly { readonly bit: bigint; readonly feature: EncryptionFeature }[] = [
  { bit: 0n, feature: 'SEV' },
  { bit: 1n, feature: 'SEV-ES' },
  { bit: 2n, feature: 'SEV-SNP' },
];

/**
 * What the kernel logs at boot, newest wording first. Source: arch/x86/mm/mem_encrypt.c, print_mem_encrypt_feature_info (v5.19;
 * before with "AMD" in front and without Intel); mem_encrypt_init (v4.19) has a sentence for each.
 */
const LOG_LINES: readonly { readonly line: RegExp; readonly feature?: EncryptionFeature }[] = [
  { line: /Memory Encryption Features active: (Intel TDX)/ },
  { line: /Memory Encryption Features active:(?: AMD)?((?: (?:SME|SEV-SNP|SEV-ES|SEV))+)/ },
  { line: /AMD Secure Memory Encryption \(SME\) active/, feature: 'SME' },
  { line: /AMD Secure Encrypted Virtualization \(SEV\) active/, feature: 'SEV' },
];

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
  const text = logText(info, walker)?.toString('latin1');
  const logged = text === undefined ? undefined : featuresOfLog(text);
  return logged && { features: logged, from: 'kernel log' };
}

/** 0 on a host: it tells of SME only beside a mask. All other features need the first bit. */
function featuresOfStatus(status: bigint, encryptionMask: bigint): EncryptionFeature[] | undefined {
  if (status === 0n) return encryptionMask === 0n ? undefined : ['SME'];
  const features = SEV_STATUS_BITS.filter(({ bit }) => (status & (1n << bit)) !== 0n);
  return features[0]?.feature === 'SEV' ? features.map(({ feature }) => feature) : undefined;
}

function featuresOfLog(text: string): EncryptionFeature[] | undefined {
  for (const { line, feature } of LOG_LINES) {
    const match = line.exec(text);
    if (match === null) continue;
    if (feature !== undefined) return [feature];
    const words = match[1]!.trim();
    return (words === 'Intel TDX' ? [words] : words.split(' ')) as EncryptionFeature[];
  }
  return undefined;
}
