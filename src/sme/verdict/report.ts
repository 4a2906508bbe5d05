/** What the verdict says and what it was made of: plain data. */

import type { TableState } from './tables.ts';

/**
 * "readable": the memory was read through the right mapping, whether or not the machine can be understood. "unknown": nothing
 * proves that, and nothing speaks against it. The other two are no dump of a machine's memory.
 */
export type Outcome = 'readable' | 'ciphertext' | 'private memory missing' | 'unknown';

/**
 * Row of the support matrix: mem_encrypt= of the first kernel and of the kdump kernel that read its memory; or a host read its
 * guest's. Source: cover letter of "Support kdump for AMD secure memory encryption (SME)", v8, 2018.
 */
export type Row = 'on/off' | 'off/on' | 'hypervisor';

/** What was looked at: numbers of pages, of the sample but for the first three. */
export interface Seen {
  /** Page frames in the dump's memory. */
  readonly memoryPages: number;
  /** Page tables, struct pages and text of a readable machine. */
  readonly knownPages: number;
  readonly knownRandomPages: number;
  readonly vmcoreinfo: 'note' | 'memory scan' | 'file' | undefined;
  /** What VMCOREINFO or a CPU's CR3 leads to; undefined where nothing says where a table is. */
  readonly topLevelTable: TableState | undefined;
  /** The kernel's own name, where the page tables lead to it. */
  readonly releaseInMemory: string | undefined;
  /** CPUs in QEMU's notes. */
  readonly qemuCpus: number;
  /** Whether any of them translates addresses. */
  readonly qemuPaging: boolean;
  /** 0 where no sample was needed: then the numbers below are 0, too. */
  readonly sampledPages: number;
  /** Could not be read, and are not among the sampled ones. */
  readonly missingPages: number;
  readonly zeroPages: number;
  /** Look random, and repeat no other page. */
  readonly randomPages: number;
  readonly repeatedPages: number;
  /** Full of kernel addresses. */
  readonly kernelPages: number;
}

/** Plain data. */
export interface Verdict {
  readonly outcome: Outcome;
  /** Of ciphertext, where something points to it. */
  readonly row: Row | undefined;
  /** Whether the running kernel's own state tells the row; else the contents point to it. */
  readonly rowIsKnown: boolean;
  readonly seen: Seen;
  /** What is wrong, with the file's name and without a full stop. */
  readonly sentence: string;
  /** What to do; undefined where nothing has to be done. */
  readonly hint: string | undefined;
}
