/** The ELF writer: headers at known offsets, and headers that lie when asked to. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Elf64Ehdr, Elf64Phdr, Elf64Shdr, planElfCore, writeElfCore } from './elf.ts';
import { prstatusNote, qemuNote, vmcoreinfoNote } from './notes.ts';

let dir: string;
let path: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'smelt-elf-'));
  path = join(dir, 'core');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const loads = [
  { paddr: 0x1000, vaddr: 0xffff888000001000n, memsz: 8192, data: new Uint8Array(8192).fill(0x41) },
  { paddr: 0x100000, memsz: 4096, filesz: 100, data: new Uint8Array(100).fill(0x42) },
];

describe('the ELF core writer', () => {
  it('has the structures of ELF64', () => {
    expect([Elf64Ehdr.size, Elf64Phdr.size, Elf64Shdr.size]).toEqual([64, 56, 64]);
    expect(Elf64Shdr.offset.sh_info).toBe(44);
  });

  it('writes headers, notes and segments, with zeros where no data is', () => {
    const plan = writeElfCore(path, { notes: vmcoreinfoNote('A=1\n'), loads });
    const file = readFileSync(path);
    expect(file.toString('hex', 0, 24)).toBe('7f454c4602010100000000000000000004003e0001000000');
    expect(file.readUInt16LE(56)).toBe(3);
    const [note, first, second] = [0, 1, 2].map((i) => Elf64Phdr.read(file, 64 + i * 56));
    expect(note).toMatchObject({ p_type: 4, p_offset: 232n, p_filesz: 28n });
    expect(file.toString('latin1', 232 + 12, 232 + 28)).toBe('VMCOREINFO\0\0A=1\n');
    expect(first).toMatchObject({
      p_type: 1,
      p_offset: 4096n,
      p_paddr: 0x1000n,
      p_vaddr: 0xffff888000001000n,
    });
    expect(second).toMatchObject({ p_offset: 12288n, p_filesz: 100n, p_memsz: 4096n });
    expect([file[4095], file[4096], file[12287], file[12288]]).toEqual([0, 0x41, 0x41, 0x42]);
    expect(file.length).toBe(12388);
    expect(plan.offsets).toEqual([4096, 12288]);
  });

  it('moves program headers and data, and counts in section 0 when told to', () => {
    const plan = planElfCore({ loads, phoff: 192, pnXnum: true, unaligned: 0x838 });
    const header = Elf64Ehdr.read(plan.headers);
    expect(header).toMatchObject({ e_phoff: 192n, e_phnum: 0xffff, e_shnum: 1 });
    expect(Elf64Shdr.read(plan.headers, Number(header.e_shoff)).sh_info).toBe(2);
    expect(Elf64Phdr.read(plan.headers, 192).p_offset).toBe(4096n + 0x838n);
  });

  it('takes PN_XNUM by itself for 65535 headers and more', () => {
    const many = Array.from({ length: 0x10000 }, (_, i) => ({ paddr: i * 8192, memsz: 4096 }));
    const { headers } = planElfCore({ loads: many });
    const { e_phnum, e_shoff } = Elf64Ehdr.read(headers);
    expect(e_phnum).toBe(0xffff);
    expect(Elf64Shdr.read(headers, Number(e_shoff)).sh_info).toBe(0x10000);
  });

  it('lies in any field, and cuts the file short', () => {
    const [first] = loads;
    writeElfCore(path, {
      loads: [{ ...first, phdr: { p_offset: 1n << 60n, p_filesz: 0xffffffffffffffffn } }],
      ehdr: { e_machine: 183, e_phentsize: 3 },
      size: 5000,
      patch: (headers) => {
        headers[4] = 9;
      },
    });
    const file = readFileSync(path);
    expect([file.readUInt16LE(18), file.readUInt16LE(54), file[4]]).toEqual([183, 3, 9]);
    expect(Elf64Phdr.read(file, 64)).toMatchObject({ p_offset: 1n << 60n, p_filesz: 0xffffffffffffffffn });
    expect(statSync(path).size).toBe(5000);
  });
});

describe('notes', () => {
  it('have the sizes and offsets of the kernel and of QEMU', () => {
    const status = Buffer.from(prstatusNote(7, { rip: 0x1122334455667788n, rsp: 0x99n }));
    expect([status.readUInt32LE(0), status.readUInt32LE(4), status.readUInt32LE(8)]).toEqual([5, 336, 1]);
    expect(status.readUInt32LE(20 + 32)).toBe(7);
    expect(status.readBigUInt64LE(20 + 112 + 128)).toBe(0x1122334455667788n);
    const qemu = Buffer.from(qemuNote({ rip: 1n, rsp: 2n, cr3: 3n, cr4: 4n, idtBase: 5n }));
    expect(qemu.readUInt32LE(4)).toBe(440);
    expect(qemu.readBigUInt64LE(20 + 392 + 3 * 8)).toBe(3n);
    expect(qemu.readBigUInt64LE(20 + 392 + 4 * 8)).toBe(4n);
    expect(qemu.readBigUInt64LE(20 + 152 + 9 * 24 + 16)).toBe(5n);
  });
});
