/** Whether the notes of a dump can be read to their end, and what they have. */

import type { DumpFile } from '../../read/dump-file.ts';
import { comma } from '../../read/file.ts';
import { brokenNoteAt, NT_PRSTATUS, parseNotes } from '../../read/notes.ts';
import { type Finding, finding } from './finding.ts';

export interface NotesReport {
  readonly count: number;
  readonly sizeBytes: number;
  /** CPUs whose registers are there. */
  readonly cpus: number;
  readonly vmcoreinfo: boolean;
}

export function checkNotes({ notes, littleEndian }: DumpFile): { report: NotesReport; findings: Finding[] } {
  let count = 0;
  let cpus = 0;
  let vmcoreinfo = false;
  for (const { name, type } of parseNotes(notes, littleEndian)) {
    count++;
    if (name === 'CORE' && type === NT_PRSTATUS) cpus++;
    if (name === 'VMCOREINFO') vmcoreinfo = true;
  }
  const brokenAt = brokenNoteAt(notes, littleEndian);
  const what = `${comma(count)} notes can be read, and what follows at byte ${comma(brokenAt ?? 0)} of ${comma(notes.length)} is none`;
  return {
    report: { count, sizeBytes: notes.length, cpus, vmcoreinfo },
    findings: brokenAt === undefined ? [] : [finding('notes', what)],
  };
}
