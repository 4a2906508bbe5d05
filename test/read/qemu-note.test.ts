import { describe, expect, it } from 'vitest';
import { parseNotes } from '../../src/read/notes.ts';
import { QemuCpuState, qemuCpus } from '../../src/read/qemu-note.ts';
import { elfNote, prstatusNote, qemuNote } from '../build/notes.ts';

const state = { rip: 1n, rsp: 2n, cr3: 0x8000123456789n, cr4: 0x750ef0n, idtBase: 3n };
const cpus = (...notes: Uint8Array[]) => [...qemuCpus(parseNotes(Buffer.concat(notes)))];

describe("QEMU's notes", () => {
  it('have the control registers where QEMU writes them', () => {
    expect(QemuCpuState.offset).toMatchObject({ segments: 152, cr0: 392, cr3: 416, cr4: 424 });
  });

  it('give one CPU each, CR3 without its flags and with the encryption bit', () => {
    const five = qemuNote({ ...state, cr3: 0x1000n, cr4: 0x751ef0n });
    expect(cpus(prstatusNote(0, state), qemuNote(state), five)).toEqual([
      { rip: 1n, rsp: 2n, cs: 0x10, cr3: 0x8000123456000n, paging: true, levels: 4 },
      { rip: 1n, rsp: 2n, cs: 0x10, cr3: 0x1000n, paging: true, levels: 5 },
    ]);
  });

  it('tell a CPU that does not translate addresses by such tables', () => {
    const noPae = qemuNote({ ...state, cr4: 0x10n });
    const noPaging = qemuNote(state);
    // "QEMU\0" padded, behind the header of 12 bytes
    noPaging.fill(0, 20 + 392, 20 + 400);
    expect(cpus(noPae, noPaging).map(({ paging }) => paging)).toEqual([false, false]);
  });

  it('are passed over when they are too short, of another version, or of another name', () => {
    const [{ desc }] = [...parseNotes(qemuNote(state))];
    const another = desc.slice();
    another[0] = 2;
    expect(
      cpus(elfNote('QEMU', 0, desc.subarray(0, 431)), elfNote('QEMU', 0, another), elfNote('CORE', 0, desc)),
    ).toEqual([]);
  });
});
