/** Finds the VMCOREINFO note that the kernel keeps in its own memory, for dumps that were made without it. */

import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { pfnRuns } from '../read/extents.ts';
import { ElfNoteHeader } from '../read/notes.ts';
import { MAX_VMCOREINFO_BYTES, textOf, VMCOREINFO_NOTE, Vmcoreinfo } from './vmcoreinfo.ts';

/** The note's name padded to 4 bytes, and the beginning of its text. */
const PATTERN = Buffer.from(`${VMCOREINFO_NOTE}\0\0OSRELEASE=`, 'latin1');

/** What a step of the search found, and how many page frames it looked through. */
export interface ScanStep {
  readonly text: string | undefined;
  readonly pages: number;
}

/**
 * Every note found in one pass over the memory in the file, the kernel's own and maybe stale ones. Only for files: memory that must not be touched (an SNP guest's VMSA pages)
 * is known only after VMCOREINFO has been read.
 */
export function* scanForVmcoreinfo(file: DumpFile, reader: MemoryReader): Generator<ScanStep> {
  const { pageSize } = reader;
  const tail = Buffer.alloc(PATTERN.length - 1 + pageSize);
  for (const { pfn, count } of pfnRuns(file.memory, pageSize)) {
    let tailLength = 0;
    for (let done = 0; done < count; ) {
      const pages = reader.load(pfn + done, count - done);
      if (pages === 0) {
        done++;
        tailLength = 0;
        yield { text: undefined, pages: 1 };
        continue;
      }
      const bytes = reader.bytes.subarray(reader.start, reader.start + pages * pageSize);
      const paddr = (pfn + done) * pageSize;
      // What lies across the edge of two loads is looked for in the tail of the one and the head of the other.
      const keep = PATTERN.length - 1;
      bytes.copy(tail, tailLength, 0, keep);
      const across = tailLength > 0 ? tail.subarray(0, tailLength + keep).indexOf(PATTERN) : -1;
      const hits = across >= 0 ? [paddr - tailLength + across] : [];
      for (let at = bytes.indexOf(PATTERN); at >= 0; at = bytes.indexOf(PATTERN, at + 1))
        hits.push(paddr + at);
      // Candidates are read only after the search: reading them may use the reader's buffer.
      tailLength = bytes.copy(tail, 0, Math.max(0, bytes.length - keep));
      for (const hit of hits) {
        const text = noteAt(reader, hit - ElfNoteHeader.size);
        if (text !== undefined) yield { text, pages: 0 };
      }
      done += pages;
      yield { text: undefined, pages };
    }
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
