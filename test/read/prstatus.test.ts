/** Registers of CPUs from the notes of a kernel and of a hypervisor. */
import { describe, expect, it } from 'vitest';
import { parseNotes } from '../../src/read/notes.ts';
import { cpuRegisters, ElfPrstatus } from '../../src/read/prstatus.ts';
import { elfNote, prstatusNote, qemuNote } from '../build/notes.ts';

const of = (...notes: Uint8Array[]) => cpuRegisters(parseNotes(Buffer.concat(notes)));
const regs = { rip: 0xffffffff81000010n, rsp: 0xffffc90000000ff8n };
const qemu = { ...regs, cr3: 0x1000n, cr4: 0x20n, idtBase: 0n };

describe('registers of CPUs', () => {
  it('are where struct elf_prstatus has them', () => {
    expect(ElfPrstatus.offset).toMatchObject({ pr_pid: 32, registers: 112, ip: 240, cs: 248, sp: 264 });
  });

  it("are one a note, with the PID of the kernel's notes", () => {
    expect(of(prstatusNote(0, regs), prstatusNote(77, { rip: 1n, rsp: 2n }))).toEqual([
      { ...regs, userMode: false, pid: 0 },
      { rip: 1n, rsp: 2n, userMode: false, pid: 77 },
    ]);
  });

  it("have no PID in QEMU's: what stands there is its own number", () => {
    expect(of(prstatusNote(1, regs), prstatusNote(2, regs), qemuNote(qemu), qemuNote(qemu))).toEqual([
      { ...regs, userMode: false, pid: undefined },
      { ...regs, userMode: false, pid: undefined },
    ]);
  });

  it('tell a program from the kernel by the code segment', () => {
    const note = Buffer.from(prstatusNote(5, regs));
    note.writeBigUInt64LE(0x33n, 20 + 248);
    expect(of(note)).toMatchObject([{ userMode: true, pid: 5 }]);
  });

  it('are passed over where a note is too short, or of another kind', () => {
    const short = elfNote('CORE', 1, new Uint8Array(200));
    const other = elfNote('CORE', 3, new Uint8Array(336));
    const foreign = elfNote('OTHER', 1, new Uint8Array(336));
    expect(of(short, other, foreign)).toEqual([]);
  });

  it('are no more than the CPUs that a machine can have', () => {
    function* endless() {
      const [note] = [...parseNotes(prstatusNote(0, regs))];
      for (;;) yield note!;
    }
    expect(cpuRegisters(endless()).length).toBe(8192);
  });
});
