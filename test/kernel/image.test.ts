/** Which page frames are the kernel image's, by its symbols and by its mapping. */
import { describe, expect, it } from 'vitest';
import { kernelImage } from '../../src/kernel/image.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import type { VmcoreOptions } from '../build/vmcore-options.ts';
import { tempFiles } from '../read/temp-files.ts';
import { openVmcore, x86_64 } from './opened.ts';

const files = tempFiles();
const BASE = 0xffffffff81000000n;
/** Symbols as 6.1 has them, in pages from _text. */
const SYMBOLS: Record<string, number> = {
  _stext: 0,
  _etext: 100.5,
  __start_rodata: 200,
  __end_rodata: 250,
  _sdata: 300,
  __init_begin: 350,
  __init_end: 400,
  __smp_locks_end: 402,
  __start_bss_decrypted_unused: 480,
  __bss_stop: 500,
};

/** kernelImage of a vmcore, with `symbols` for what the kernel's symbol table says (none: it cannot be read). */
function imageOf(symbols: Record<string, number> | undefined, options: Omit<VmcoreOptions, 'path'> = {}) {
  const { info, walker, built } = openVmcore(files, options);
  const table =
    symbols &&
    new Map(Object.entries(symbols).map(([name, pages]) => [name, BASE + BigInt(Math.floor(pages * 4096))]));
  return { image: kernelImage(info, x86_64, walker, table, 4096), built };
}

describe('the kernel image by its symbols', () => {
  it('is text, rodata, data and bss, without what the kernel gave back between them', () => {
    expect(imageOf(SYMBOLS).image).toEqual({
      by: 'symbols',
      ranges: [
        { pfn: 0x1000, end: 0x1000 + 101 },
        { pfn: 0x1000 + 200, end: 0x1000 + 250 },
        { pfn: 0x1000 + 300, end: 0x1000 + 350 },
        { pfn: 0x1000 + 402, end: 0x1000 + 480 },
      ],
    });
  });

  it('moves with phys_base', () => {
    const { image } = imageOf(SYMBOLS, { physBase: 0x200000n });
    expect(image?.ranges[0].pfn).toBe(0x1200);
  });

  it('does without symbols that only some kernels have', () => {
    const { __smp_locks_end: _, __start_bss_decrypted_unused: __, ...rest } = SYMBOLS;
    expect(imageOf(rest).image?.ranges[3]).toEqual({ pfn: 0x1000 + 400, end: 0x1000 + 500 });
  });

  it.each(['_stext', '_etext', '__end_rodata', '_sdata', '__init_begin', '__bss_stop'])(
    'is not used where %s is missing: then the mapping says what the image is',
    (name) => {
      const { [name]: _, ...rest } = SYMBOLS;
      const expected = name === '__bss_stop' ? 'symbols' : 'mapping';
      expect(imageOf(rest).image?.by).toBe(expected);
    },
  );

  it('is not used where a part ends before it begins, or lies outside of the image', () => {
    expect(imageOf({ ...SYMBOLS, _etext: -1 }).image?.by).toBe('mapping');
    expect(imageOf({ ...SYMBOLS, _sdata: 350 }).image?.by).toBe('mapping');
    expect(imageOf({ ...SYMBOLS, _stext: -(2 ** 31) }).image?.by).toBe('mapping');
  });
});

describe('the kernel image by its mapping', () => {
  it('is what is mapped from _stext on', () => {
    const { image, built } = imageOf(undefined);
    const bytes = Math.ceil(built.tables.image.bytes / 2 ** 21) * 2 ** 21;
    expect(image).toEqual({ by: 'mapping', ranges: [{ pfn: 0x1000, end: 0x1000 + bytes / 4096 }] });
  });

  it('is in whole page frames, also where phys_base is not', () => {
    const { image } = imageOf(undefined, { overrides: { 'NUMBER(phys_base)': '291' } });
    for (const { pfn, end } of image!.ranges) {
      expect(Number.isInteger(pfn)).toBe(true);
      expect(Number.isInteger(end)).toBe(true);
    }
  });

  it('is not known where nothing says where it begins', () => {
    expect(imageOf(undefined, { overrides: { 'SYMBOL(_stext)': undefined } }).image).toBeUndefined();
  });

  it('is not known where VMCOREINFO leads outside of memory', () => {
    const { walker } = openVmcore(files);
    const info = new Vmcoreinfo('SYMBOL(_stext)=ffffffff81000000\nNUMBER(phys_base)=-9000000000\n');
    expect(kernelImage(info, x86_64, walker, undefined, 4096)).toBeUndefined();
  });
});
