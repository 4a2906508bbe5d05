/** VMCOREINFO's lines as values. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textOf, Vmcoreinfo, vmcoreinfoFromNotes } from '../../src/kernel/vmcoreinfo.ts';
import { parseNotes } from '../../src/read/notes.ts';
import { prstatusNote, vmcoreinfoNote } from '../build/notes.ts';

const number = (value: string) => new Vmcoreinfo(`NUMBER(x)=${value}\n`).number('x');

describe('VMCOREINFO', () => {
  it('gives what stands behind the first equals sign, spaces and all', () => {
    const info = new Vmcoreinfo('OSRELEASE=6.1.0-a=b c\nPAGESIZE=4096\nEMPTY=\n=nothing\nno equals\n');
    expect(info.release).toBe('6.1.0-a=b c');
    expect(info.pageSize).toBe(4096);
    expect(info.string('EMPTY')).toBe('');
    expect(info.string('')).toBeUndefined();
    expect(info.string('no equals')).toBeUndefined();
  });

  it('takes the first of two lines with one key, as makedumpfile does', () => {
    expect(new Vmcoreinfo('PAGESIZE=4096\nPAGESIZE=8192\n').pageSize).toBe(4096);
  });

  it('reads numbers as decimal, signed, and as hexadecimal where they cannot be decimal', () => {
    expect(number('10')).toBe(10n);
    expect(number('-129')).toBe(-129n);
    expect(number('-9223372036854775808')).toBe(-(2n ** 63n));
    expect(number('18446744073709551615')).toBe(2n ** 64n - 1n);
    expect(number('0xffffc90000000000')).toBe(0xffffc90000000000n);
    expect(number('1f')).toBe(31n);
  });

  it.each(['', ' ', 'x', '1 2', '--1', '1e3x', '0x', '0x11112222333344445', '123456789012345678901'])(
    'gives nothing for the number %j',
    (text) => {
      expect(number(text)).toBeUndefined();
    },
  );

  it('reads symbols as hexadecimal, also those that look decimal', () => {
    const info = new Vmcoreinfo('SYMBOL(a)=ffffffff81000000\nSYMBOL(b)=10\nSYMBOL(c)=-1\nSYMBOL(d)=0x10\n');
    expect(info.symbol('a')).toBe(0xffffffff81000000n);
    expect(info.symbol('b')).toBe(16n);
    expect(info.symbol('c')).toBeUndefined();
    expect(info.symbol('d')).toBeUndefined();
  });

  it('gives no size, offset or length below 0 or of 2 GiB', () => {
    const info = new Vmcoreinfo('SIZE(a)=2147483647\nSIZE(b)=2147483648\nOFFSET(c)=-8\nLENGTH(d)=11\n');
    expect(info.size('a')).toBe(2147483647);
    expect(info.size('b')).toBeUndefined();
    expect(info.offset('c')).toBeUndefined();
    expect(info.length('d')).toBe(11);
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (key, value) => {
        const info = new Vmcoreinfo(`NUMBER(x)=${value}\n${key}=${value}\nSIZE(x)=${value}`);
        info.number('x');
        info.size('x');
        info.symbol('x');
      }),
    );
  });

  it('is found among the notes, up to its first NUL', () => {
    const blob = Buffer.concat([prstatusNote(1, { rip: 0n, rsp: 0n }), vmcoreinfoNote('A=1\nB=2\n\0junk')]);
    expect(vmcoreinfoFromNotes(parseNotes(blob))).toBe('A=1\nB=2\n');
    expect(vmcoreinfoFromNotes(parseNotes(new Uint8Array(0)))).toBeUndefined();
    expect(textOf(Buffer.from('no NUL'))).toBe('no NUL');
  });
});
