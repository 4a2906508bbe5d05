/** A kernel that KASLR moved, found without VMCOREINFO; and symbols of a file moved to where the kernel lies. */
import { describe, expect, it } from 'vitest';
import { locateKernel } from '../../src/kernel/locate.ts';
import { memoryModel } from '../../src/kernel/memory-model.ts';
import { supplement } from '../../src/kernel/supplement.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import { createReader } from '../../src/read/open.ts';
import { writeElfCore } from '../build/elf.ts';
import { tempFiles } from '../read/temp-files.ts';
import { x86_64 } from './opened.ts';

const files = tempFiles();
const START = 0xffffffff80000000n;
const BANNER = 'Linux version 6.1.0-test (';
/** The kernel as it is linked: its image begins at 16 MiB. */
const linked = {
  banner: START + 0x1200100n,
  physBase: START + 0x1a01008n,
  l5: START + 0x1a02000n,
  mask: START + 0x1a03000n,
};
const symbols = { linux_banner: linked.banner, phys_base: linked.physBase, _stext: START + 0x1000000n };
const textOf = (more: Record<string, bigint>, rest = '') =>
  `OSRELEASE=6.1.0-test\n${Object.entries({ ...symbols, ...more })
    .map(([name, vaddr]) => `SYMBOL(${name})=${vaddr.toString(16)}\n`)
    .join('')}${rest}`;

/** What is found in memory that lies at `paddr` 0 … 48 MiB. */
function found(write: (memory: Buffer) => void, more: Record<string, bigint> = {}): Vmcoreinfo[] {
  const data = Buffer.alloc(48 * 2 ** 20);
  write(data);
  const path = files.path('elf');
  writeElfCore(path, { loads: [{ paddr: 0, memsz: data.length, data }] });
  const file = files.open(path);
  const reader = createReader(file, false, []);
  return [...locateKernel(file, reader, x86_64, new Vmcoreinfo(textOf(more)))].flatMap(
    (step) => step.found ?? [],
  );
}

/** A kernel moved by `offset` in virtual memory, with its image at `physBase` beyond where it would be without KASLR. */
function kernel(memory: Buffer, offset: number, physBase: number, sane = physBase): void {
  const at = (vaddr: bigint) => Number(vaddr - START) + offset + physBase;
  memory.write(BANNER, at(linked.banner), 'latin1');
  memory.writeBigInt64LE(BigInt(sane), at(linked.physBase));
  memory.writeUInt32LE(1, at(linked.l5));
  memory.writeBigInt64LE(1n << 51n, at(linked.mask));
}

const MIB = 2 ** 20;

describe('a kernel without VMCOREINFO', () => {
  it.each([
    ['not at all', 0, 0],
    ['in virtual memory alone', 10 * MIB, -10 * MIB],
    ['in both', 64 * MIB, -58 * MIB],
  ])('is found where it was moved %s', (_, offset, physBase) => {
    const [info, ...more] = found((memory) => kernel(memory, offset, physBase), {
      __pgtable_l5_enabled: linked.l5,
      sme_me_mask: linked.mask,
      init_top_pgt: START + 0x1b00000n,
      node_data: 0xffff888000001000n,
    });
    expect(more).toEqual([]);
    expect(info!.kernelOffset).toBe(BigInt(offset));
    expect(info!.number('phys_base')).toBe(BigInt(physBase));
    expect(info!.number('pgtable_l5_enabled')).toBe(1n);
    expect(info!.number('sme_mask')).toBe(1n << 51n);
    expect(info!.symbol('init_top_pgt')).toBe(START + 0x1b00000n + BigInt(offset));
    // What does not lie in the image does not move with it.
    expect(info!.symbol('node_data')).toBe(0xffff888000001000n);
  });

  it('is tried with both numbers of levels where no variable says it', () => {
    const levels = found((memory) => kernel(memory, 0, 0)).map((info) => info.number('pgtable_l5_enabled'));
    expect(levels).toEqual([0n, 1n]);
  });

  it('is not taken for what is only its banner: in a log, at another alignment, or with a phys_base of nonsense', () => {
    expect(found((memory) => memory.write(BANNER, 0x1234567, 'latin1'))).toEqual([]);
    expect(found((memory) => kernel(memory, 0, 0, 0x123456))).toEqual([]);
    expect(found((memory) => kernel(memory, 0, 4 * MIB, -2000 * MIB))).toEqual([]);
    expect(found((memory) => kernel(memory, 4096, 0))).toEqual([]);
    expect(found(() => {})).toEqual([]);
  });

  it('is not looked for where the file does not say where the banner is', () => {
    const path = files.path('elf');
    writeElfCore(path, { loads: [{ paddr: 0, memsz: 4096, data: new Uint8Array(4096) }] });
    const file = files.open(path);
    const reader = createReader(file, false, []);
    const given = new Vmcoreinfo('OSRELEASE=6.1.0-test\nSYMBOL(phys_base)=ffffffff81000000\n');
    expect([...locateKernel(file, reader, x86_64, given)]).toEqual([]);
  });
});

describe('what a file adds to what the dump says', () => {
  const own = new Vmcoreinfo(
    `OSRELEASE=6.1.0-test\nSYMBOL(_stext)=${(START + 0x2000000n).toString(16)}\nSIZE(page)=64\nKERNELOFFSET=1000000\n`,
  );

  it('lies where the dumped kernel lies, and counts less', () => {
    const info = supplement(
      own,
      new Vmcoreinfo(
        textOf({ prb: START + 0x1800000n, far: 0xffff888000001000n }, 'SIZE(page)=56\nSIZE(zone)=1536\n'),
      ),
      x86_64,
    );
    expect(info.size('page')).toBe(64);
    expect(info.size('zone')).toBe(1536);
    expect(info.symbol('_stext')).toBe(START + 0x2000000n);
    expect(info.symbol('prb')).toBe(START + 0x2800000n);
    expect(info.symbol('far')).toBe(0xffff888000001000n);
  });

  it('moves by KERNELOFFSET where _stext is missing, and not at all where the file is of the same boot', () => {
    const none = new Vmcoreinfo('KERNELOFFSET=1000000\n');
    const prb = `SYMBOL(prb)=${(START + 0x1800000n).toString(16)}\n`;
    expect(supplement(none, new Vmcoreinfo(prb), x86_64).symbol('prb')).toBe(START + 0x2800000n);
    expect(supplement(none, new Vmcoreinfo(`KERNELOFFSET=1000000\n${prb}`), x86_64).symbol('prb')).toBe(
      START + 0x1800000n,
    );
  });
});

describe('mem_section of a vmlinux', () => {
  const model = (text: string) =>
    memoryModel(
      new Vmcoreinfo(
        `SYMBOL(mem_section)=ffffffff84000000\nSIZE(mem_section)=32\nOFFSET(mem_section.section_mem_map)=0\n${text}`,
      ),
      12,
      () => 0xffff888012345000n,
    );

  it('is a pointer to the array, unless it has a length', () => {
    expect(model('')).toMatchObject({ memSection: 0xffff888012345000n, extreme: true });
    expect(model('LENGTH(mem_section)=4096\n')).toMatchObject({
      memSection: 0xffffffff84000000n,
      extreme: true,
    });
  });
});
