/** The verdict in words: what was seen, what it points to, and what to change. */

import { comma } from '../../read/file.ts';
import type { Row, Verdict } from './report.ts';

type Found = Omit<Verdict, 'sentence' | 'hint'>;

const ALL_THE_SAME = '`smelt dump --allow-ciphertext` writes it all the same.';
const MEM_ENCRYPT =
  'For the next crash give the kdump kernel the mem_encrypt= of the first kernel (KDUMP_COMMANDLINE_APPEND in ' +
  '/etc/sysconfig/kdump, KDUMP_CMDLINE_APPEND in /etc/default/kdump-tools).';
const IN_THE_GUEST = 'Let kdump inside of the guest make the dump:';

/** What happened, as [known, pointed to]. */
const CAUSES: Record<Row, readonly [string, string]> = {
  'on/off': [
    'the first kernel encrypted its memory, and this kdump kernel does not (mem_encrypt= on and off)',
    'pages in plaintext among them point to a first kernel with mem_encrypt=on and a kdump kernel with off, or to a guest that was read by its host',
  ],
  'off/on': [
    'the first kernel did not encrypt its memory, and this kdump kernel does (mem_encrypt= off and on)',
    'that hardly anything is plaintext points to a first kernel with mem_encrypt=off and a kdump kernel with on',
  ],
  hypervisor: [
    'a hypervisor read the memory of its encrypted guest',
    "QEMU's notes point to a SEV guest whose memory was read by its host",
  ],
};

export function sentenceFor(path: string, { outcome, row, rowIsKnown, seen }: Found): string {
  const { sampledPages, zeroPages, randomPages } = seen;
  const nonZero = sampledPages - zeroPages;
  switch (outcome) {
    case 'ciphertext': {
      const what =
        sampledPages > 0
          ? `${comma(randomPages)} of ${comma(nonZero)} sampled pages that are not zero look random, and no page table was found`
          : `${seen.knownRandomPages} of ${seen.knownPages} page tables, struct pages and pages of kernel text look random`;
      const cause = row === undefined ? '' : `; ${CAUSES[row][rowIsKnown ? 0 : 1]}`;
      return `${path}: the memory in it is ciphertext: ${what}${cause}`;
    }
    case 'private memory missing':
      return `${path}: the guest's private memory is not in the dump: ${comma(zeroPages)} of ${comma(sampledPages)} sampled pages are zero, and CR3 of no CPU leads to a page table`;
    case 'readable':
      return `${path}: the memory was read through the right mapping`;
    case 'unknown':
      return `${path}: no page table was found, and nothing says that the memory is ciphertext (${comma(randomPages)} of ${comma(nonZero)} sampled pages that are not zero look random)`;
  }
}

export function hintFor({ outcome, row, rowIsKnown }: Found): string | undefined {
  if (outcome === 'private memory missing') {
    return `${IN_THE_GUEST} the host has no access to this memory. ${ALL_THE_SAME}`;
  }
  if (outcome !== 'ciphertext') return undefined;
  if (row === 'hypervisor')
    return `Only the guest has the key, so this dump is worth nothing. ${IN_THE_GUEST} it has the key. ${ALL_THE_SAME}`;
  const orGuest = rowIsKnown
    ? ''
    : ' Was it a guest that its host dumped, let kdump inside of the guest make the dump.';
  return `The key is gone after a power cycle, so this dump is worth nothing. ${MEM_ENCRYPT}${orGuest} ${ALL_THE_SAME}`;
}
