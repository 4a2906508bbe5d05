/** Puts NUMBER(sme_mask) into VMCOREINFO: into the note, and into the copies that the kernel has in its memory. */
import { textOf } from '../../src/kernel/vmcoreinfo.ts';
import { parseNotes } from '../../src/read/notes.ts';
import { elfNote, QEMU_CR3_OFFSET, vmcoreinfoNote } from './notes.ts';

const KEY = 'NUMBER(sme_mask)=';
/** Header, and the name padded to a multiple of 4. */
const NOTE_NAME = Buffer.from('VMCOREINFO\0\0', 'latin1');
const NOTE_HEADER = 12;

/** The text of a kernel that has the mask. It printed it with %ld, as long as the key has been there (v5.1). */
export function textWithMask(text: string, mask: bigint): string {
  const line = `${KEY}${BigInt.asIntN(64, mask)}\n`;
  const at = text.indexOf(KEY);
  if (at < 0) return text + line;
  return text.slice(0, at) + line + text.slice(text.indexOf('\n', at) + 1);
}

/** The notes of the twin: VMCOREINFO with the mask, and CR3 in QEMU's notes, which has it as every table entry has. */
export function notesWithMask(notes: Uint8Array, mask: bigint): Buffer {
  const rewritten: Uint8Array[] = [];
  for (const { name, type, desc } of parseNotes(notes)) {
    if (name === 'VMCOREINFO') {
      rewritten.push(vmcoreinfoNote(textWithMask(textOf(desc), mask)));
    } else if (name === 'QEMU') {
      const state = Buffer.from(desc);
      state.writeBigUInt64LE(state.readBigUInt64LE(QEMU_CR3_OFFSET) | mask, QEMU_CR3_OFFSET);
      rewritten.push(elfNote(name, type, state));
    } else rewritten.push(elfNote(name, type, desc));
  }
  return Buffer.concat(rewritten);
}

/** The text up to the value of the mask: by it copies are found, also those that lack the CRASHTIME of a panic. */
export function beginningOf(text: string): Buffer {
  return Buffer.from(text.slice(0, text.indexOf(KEY) + KEY.length), 'latin1');
}

/**
 * Rewrites a copy whose text begins at `at` of its page: vmcoreinfo_data, or vmcoreinfo_note when a note's header is before it
 * (kernel/vmcore_info.c, update_vmcoreinfo_note). False, and nothing is done, where the page has no room for the longer text.
 */
export function rewriteCopy(page: Buffer, at: number, mask: bigint): boolean {
  const end = page.indexOf(0, at);
  const text = page.toString('latin1', at, end < 0 ? page.length : end);
  const longer = Buffer.from(textWithMask(text, mask), 'latin1');
  const room = page.subarray(at + text.length, at + longer.length);
  if (at + longer.length > page.length || room.some((byte) => byte !== 0)) return false;
  longer.copy(page, at);
  const name = at - NOTE_NAME.length;
  if (name >= NOTE_HEADER && page.subarray(name, at).equals(NOTE_NAME)) {
    page.writeUInt32LE(longer.length, name - NOTE_HEADER + 4); // n_descsz
  }
  return true;
}
