/** The notes of a kdump-compressed file, where its header may not say where they are: they stand behind the sub header. */

import { KdumpSubHeader } from '../read/kdump-layout.ts';
import { ElfNoteHeader, parseNotes } from '../read/notes.ts';
import { partOf, type Source } from '../read/source.ts';

/** Owners of notes in dumps of a machine. */
const OWNERS = new Set(['CORE', 'VMCOREINFO', 'QEMU', 'LINUX', 'ERASEINFO', 'Xen', 'VMCOREINFO_XEN', 'SNAP']);
/** What is looked at: the notes of a machine with 8,192 CPUs have about 3 MiB. */
const MOST_BYTES = 8 * 1024 * 1024;
/** How far the first note is looked for. */
const SEARCH_BYTES = 64 * 1024;

/** Those that are whole, one after another as they stand; `end`: how far they may reach. */
export function notesBehind(source: Source, blockSize: number, end = source.fileBytes): Uint8Array {
  const at = blockSize + KdumpSubHeader.size;
  const length = Math.min(end, source.fileBytes, at + MOST_BYTES) - at;
  if (length < ElfNoteHeader.size) return new Uint8Array(0);
  const region = partOf(source, 'the notes', at, length);
  for (let from = 0; from < Math.min(region.length, SEARCH_BYTES); from += 4) {
    if (!mayBegin(region, from)) continue;
    const notes = wholeNotes(region.subarray(from));
    if (notes.length > 0) return notes;
  }
  return new Uint8Array(0);
}

/** Whether a note of a known owner is there. */
function mayBegin(region: Buffer, at: number): boolean {
  if (at + ElfNoteHeader.size > region.length) return false;
  const { n_namesz } = ElfNoteHeader.read(region, at);
  if (n_namesz < 4 || n_namesz > 16) return false;
  const nameAt = at + ElfNoteHeader.size;
  return OWNERS.has(region.toString('latin1', nameAt, nameAt + n_namesz - 1));
}

/** What there is up to the end of the last note that is whole and of a known owner. */
export function wholeNotes(blob: Uint8Array): Uint8Array {
  let end = 0;
  for (const { name, desc } of parseNotes(blob)) {
    if (!OWNERS.has(name)) break;
    end = desc.byteOffset + Math.ceil(desc.length / 4) * 4 - blob.byteOffset;
  }
  return blob.subarray(0, Math.min(end, blob.length));
}
