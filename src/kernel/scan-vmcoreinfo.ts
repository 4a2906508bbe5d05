/** Finds the VMCOREINFO note that the kernel keeps in its own memory, for dumps that were made without it. */

import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { ElfNoteHeader } from '../read/notes.ts';
import { scanMemory } from './scan-memory.ts';
import { MAX_VMCOREINFO_BYTES, textOf, VMCOREINFO_NOTE, Vmcoreinfo } from './vmcoreinfo.ts';

/** The note's name padded to 4 bytes, and the beginning of its text. */
const PATTERN = Buffer.from(`${VMCOREINFO_NOTE}\0\0OSRELEASE=`, 'latin1');

/** What a step of the search found, and how many page frames it looked through. */
export interface ScanStep {
  readonly found: string | undefined;
  readonly pages: number;
}

/**
 * Every note found in one pass over the memory in the file, the kernel's own and maybe stale ones. Only for files: memory that must not be touched (an SNP guest's VMSA pages)
 * is known only after VMCOREINFO has been read.
 */
export function* scanForVmcoreinfo(file: DumpFile, reader: MemoryReader): Generator<ScanStep> {
  for (const { paddr, pages } of scanMemory(file, reader, PATTERN)) {
    const found = paddr === undefined ? undefined : noteAt(reader, paddr - ElfNoteHeader.size);
    if (found !== undefined || pages > 0) yield { found, pages };
  }
}

/** The text of the note at a physical address, when it is one and says what a VMCOREINFO must say. */
function noteAt(reader: MemoryReader, paddr: number): string | undefined {
  const header = Buffer.alloc(ElfNoteHeader.size);
  if (paddr < 0 || !reader.read(paddr, header)) return undefined;
  const { n_namesz, n_descsz, n_type } = ElfNoteHeader.read(header);
  if (n_namesz !== VMCOREINFO_NOTE.length + 1 || n_type !== 0 || n_descsz > MAX_VMCOREINFO_BYTES)
    return undefined;
  const desc = Buffer.alloc(n_descsz);
  if (!reader.read(paddr + ElfNoteHeader.size + Math.ceil(n_namesz / 4) * 4, desc)) return undefined;
  const info = new Vmcoreinfo(textOf(desc));
  return info.release !== undefined && info.pageSize !== undefined ? info.text : undefined;
}
