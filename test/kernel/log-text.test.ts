/** The memory of the kernel log: in both of its forms, in part, and where claims lead nowhere. */
import { describe, expect, it } from 'vitest';
import type { PageTableWalker } from '../../src/arch/page-table.ts';
import { logPieces } from '../../src/kernel/log-text.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import { tempFiles } from '../read/temp-files.ts';
import { openVmcore } from './opened.ts';

const files = tempFiles();
const dmesg = ['Linux version 6.1.0-smelt', 'Memory Encryption Features active: AMD SME', 'the end'];
const BYTES = 2 ** 14;
/** More than any message has. */
const OVERLAP = 256;

/** The whole area, put together from its pieces; undefined where there is none. */
function logText(info: Vmcoreinfo, walker: PageTableWalker): Buffer | undefined {
  const pieces: Buffer[] = [];
  let last = Buffer.alloc(0);
  for (const piece of logPieces(info, walker, OVERLAP)) {
    const before = Math.min(OVERLAP, last.length);
    expect(piece.subarray(0, before).equals(last.subarray(last.length - before))).toBe(true);
    last = Buffer.from(piece);
    pieces.push(last.subarray(before));
  }
  return pieces.length === 0 ? undefined : Buffer.concat(pieces);
}

describe('the log', () => {
  it.each(['5.10', '6.1', '7.3', '4.19', '4.14'] as const)(
    'of Linux %s is found with all of its messages',
    (kernel) => {
      const { info, walker } = openVmcore(files, { kernel, dmesg });
      const text = logText(info, walker);
      expect(text?.length).toBe(BYTES);
      for (const message of dmesg) expect(text!.toString('latin1')).toContain(message);
    },
  );

  it('is read as far as it can be, page by page', () => {
    const many = Array.from({ length: 60 }, (_, i) => `message ${i} ${'.'.repeat(150)}`);
    const { info, walker, built } = openVmcore(files, { dmesg: many });
    const whole = logText(info, walker)!;
    const start = built.tables.image.symbol('__log_buf');
    const page = (start + 4096n) & ~4095n;
    const read: typeof walker.read = (vaddr, length) =>
      vaddr < page + 4096n && vaddr + BigInt(length) > page ? undefined : walker.read(vaddr, length);
    const partly = logText(info, Object.assign(Object.create(walker), { read }))!;
    const from = Number(page - start);
    expect(whole.subarray(from, from + 4096).equals(Buffer.alloc(4096))).toBe(false);
    expect(partly.equals(Buffer.from(whole).fill(0, from, from + 4096))).toBe(true);
  });

  it.each([
    ['the pointer leads nowhere', { 'SYMBOL(prb)': 'ffffffff00000000' }],
    ['an offset is missing', { 'OFFSET(prb_data_ring.data)': undefined }],
    ['nothing says where it is', { 'SYMBOL(prb)': undefined }],
  ])('is not found where %s', (_, overrides) => {
    const { info, walker } = openVmcore(files, { overrides });
    expect(logText(info, walker)).toBeUndefined();
  });

  it('is not found where its size cannot be, and read up to a limit where it is large', () => {
    const { walker, built, info } = openVmcore(files);
    const ring = built.tables.image.symbol('printk_rb_static');
    const sizeAs = (bits: number) => {
      const read: typeof walker.read = (vaddr, length) => {
        if (vaddr !== ring + 48n) return walker.read(vaddr, length);
        const bytes = Buffer.alloc(length);
        bytes.writeUInt32LE(bits);
        return bytes;
      };
      return Object.assign(Object.create(walker), { read });
    };
    expect(logText(info, sizeAs(32))).toBeUndefined();
    expect(logText(info, sizeAs(31))?.length).toBe(2 ** 25);
  });

  it('of an old kernel is not found by one of two symbols', () => {
    const { info, walker } = openVmcore(files, { kernel: '4.19' });
    const without = new Vmcoreinfo(info.text.replace(/SYMBOL\(log_buf_len\).*\n/, ''));
    expect(logText(info, walker)).toBeDefined();
    expect(logText(without, walker)).toBeUndefined();
  });
});
