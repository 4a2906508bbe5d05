/** ELF notes: three words, a name and a descriptor, each padded to 4 bytes (also in 64-bit files). */

import { chars, struct, u32 } from '../struct.ts';
import type { Note } from './dump-file.ts';

/** Source: elf.h, Elf64_Nhdr. */
export const ElfNoteHeader = struct('Elf64_Nhdr', { n_namesz: u32, n_descsz: u32, n_type: u32 });

export const NT_PRSTATUS = 1;

const pad4 = (n: number) => Math.ceil(n / 4) * 4;

/** Walks a note segment. A note that does not fit into what is left ends the walk: the notes before it still count. */
export function* parseNotes(blob: Uint8Array, littleEndian = true): Generator<Note> {
  let at = 0;
  while (at + ElfNoteHeader.size <= blob.length) {
    const { n_namesz, n_descsz, n_type } = ElfNoteHeader.read(blob, at, littleEndian);
    const nameAt = at + ElfNoteHeader.size;
    const descAt = nameAt + pad4(n_namesz);
    const end = descAt + n_descsz;
    if (end > blob.length) return;
    // A CPU that was offline leaves a zeroed note; there may be others behind it.
    if (n_namesz > 0) {
      const name = chars(n_namesz).read(new DataView(blob.buffer, blob.byteOffset), nameAt, littleEndian);
      yield { name, type: n_type, desc: blob.subarray(descAt, end) };
    }
    at = descAt + pad4(n_descsz);
  }
}

/** Where a note begins that does not fit into what is left; undefined where all of them do. What is left over after the last one is zeros. */
export function brokenNoteAt(blob: Uint8Array, littleEndian = true): number | undefined {
  let at = 0;
  while (at + ElfNoteHeader.size <= blob.length) {
    const { n_namesz, n_descsz } = ElfNoteHeader.read(blob, at, littleEndian);
    const descAt = at + ElfNoteHeader.size + pad4(n_namesz);
    if (descAt + n_descsz > blob.length) return at;
    at = descAt + pad4(n_descsz);
  }
  return blob.subarray(at).some((byte) => byte !== 0) ? at : undefined;
}

/** One note as it stands in a file. */
export function encodeNote(name: string, type: number, desc: Uint8Array): Uint8Array {
  const namesz = name.length + 1;
  const blob = new Uint8Array(ElfNoteHeader.size + pad4(namesz) + pad4(desc.length));
  ElfNoteHeader.write(blob, { n_namesz: namesz, n_descsz: desc.length, n_type: type });
  chars(namesz).write(new DataView(blob.buffer), ElfNoteHeader.size, name, true);
  blob.set(desc, ElfNoteHeader.size + pad4(namesz));
  return blob;
}
