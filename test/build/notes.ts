/** ELF notes of a vmcore: register sets, QEMU's CPU state, VMCOREINFO. */

/** One note. Name and descriptor are padded to 4 bytes, in ELF64 too. */
export function elfNote(name: string, type: number, desc: Uint8Array): Uint8Array {
  const nameBytes = Buffer.from(name === '' ? '' : `${name}\0`, 'latin1');
  const up = (n: number): number => Math.ceil(n / 4) * 4;
  const note = new Uint8Array(12 + up(nameBytes.length) + up(desc.length));
  const view = new DataView(note.buffer);
  view.setUint32(0, nameBytes.length, true);
  view.setUint32(4, desc.length, true);
  view.setUint32(8, type, true);
  note.set(nameBytes, 12);
  note.set(desc, 12 + up(nameBytes.length));
  return note;
}

export const vmcoreinfoNote = (text: string): Uint8Array =>
  elfNote('VMCOREINFO', 0, Buffer.from(text, 'latin1'));

/** struct elf_prstatus of x86_64: 336 bytes, pid at 32, user_regs_struct (27 words) at 112. */
export function prstatusNote(pid: number, regs: { readonly rip: bigint; readonly rsp: bigint }): Uint8Array {
  const desc = new Uint8Array(336);
  const view = new DataView(desc.buffer);
  view.setUint32(32, pid, true);
  view.setBigUint64(112 + 16 * 8, regs.rip, true);
  view.setBigUint64(112 + 17 * 8, 0x10n, true); // cs: __KERNEL_CS
  view.setBigUint64(112 + 18 * 8, 0x10246n, true); // eflags
  view.setBigUint64(112 + 19 * 8, regs.rsp, true);
  view.setBigUint64(112 + 20 * 8, 0x18n, true); // ss
  return elfNote('CORE', 1, desc);
}

export interface QemuCpuState {
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly idtBase: bigint;
}

/** Of cr[3] in the descriptor of a QEMU note. */
export const QEMU_CR3_OFFSET = 392 + 3 * 8;

/** QEMU's "QEMU" note, version 1, 440 bytes: the control registers show the page table without VMCOREINFO. */
export function qemuNote(cpu: QemuCpuState): Uint8Array {
  const desc = new Uint8Array(440);
  const view = new DataView(desc.buffer);
  view.setUint32(0, 1, true);
  view.setUint32(4, 440, true);
  view.setBigUint64(8 + 6 * 8, cpu.rsp, true);
  view.setBigUint64(8 + 16 * 8, cpu.rip, true);
  view.setBigUint64(8 + 17 * 8, 0x246n, true);
  const segment = (index: number, selector: number, limit: number, base: bigint): void => {
    const at = 152 + index * 24;
    view.setUint32(at, selector, true);
    view.setUint32(at + 4, limit, true);
    view.setBigUint64(at + 16, base, true);
  };
  segment(0, 0x10, 0xffffffff, 0n);
  segment(5, 0x18, 0xffffffff, 0n);
  segment(9, 0, 0xfff, cpu.idtBase);
  const cr = [0x80050033n, 0n, 0n, cpu.cr3, cpu.cr4];
  for (const [i, value] of cr.entries()) view.setBigUint64(392 + i * 8, value, true);
  return elfNote('QEMU', 0, desc);
}
