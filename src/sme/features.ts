/** How Linux says which memory encryption is active: the lines of its log, and the bits of MSR_AMD64_SEV. */

/** As the kernel calls them. */
export type EncryptionFeature = 'SME' | 'SEV' | 'SEV-ES' | 'SEV-SNP' | 'Intel TDX';

/** One bit each, from bit 0; the kernel's variable `sev_status` is a copy. Source: arch/x86/include/asm/msr-index.h. */
const SEV_STATUS_FEATURES = ['SEV', 'SEV-ES', 'SEV-SNP'] as const;

/** What MSR_AMD64_SEV says is active, the weakest first; nothing on a host. */
export function featuresOfSevStatus(status: bigint): ('SEV' | 'SEV-ES' | 'SEV-SNP')[] {
  return SEV_STATUS_FEATURES.filter((_, bit) => ((status >> BigInt(bit)) & 1n) === 1n);
}

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
/** No such line is longer. */
export const LOG_LINE_BYTES = 256;

/** What a text says, of one message or of many, the weakest first; undefined where it says nothing. */
export function featuresOfLog(text: string): EncryptionFeature[] | undefined {
  for (const { line, feature } of LOG_LINES) {
    const match = line.exec(text);
    if (match === null) continue;
    if (feature !== undefined) return [feature];
    const words = match[1]!.trim();
    return (words === 'Intel TDX' ? [words] : words.split(' ')) as EncryptionFeature[];
  }
  return undefined;
}
