/** ELF notes: as they are written, and as they are found in segments that are padded, zeroed or cut. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Note } from '../../src/read/dump-file.ts';
import { encodeNote, NT_PRSTATUS, parseNotes } from '../../src/read/notes.ts';
import { elfNote, prstatusNote, vmcoreinfoNote } from '../build/notes.ts';

const parse = (blob: Uint8Array, littleEndian = true): Note[] => [...parseNotes(blob, littleEndian)];
const plain = (notes: readonly Note[]) => notes.map((n) => ({ ...n, desc: [...n.desc] }));
const note = fc.record({
  name: fc.string({ unit: fc.constantFrom(...'ABCXYZ_'), minLength: 1, maxLength: 12 }),
  type: fc.integer({ min: 0, max: 0xffffffff }),
  desc: fc.uint8Array({ maxLength: 20 }),
});

describe('encodeNote', () => {
  it('writes header, padded name and padded descriptor', () => {
    const blob = encodeNote('VMCOREINFO', 0, Buffer.from('OSRELEASE=x'));
    expect(Buffer.from(blob).toString('hex')).toBe(
      '0b0000000b00000000000000' + '564d434f5245494e464f0000' + '4f5352454c454153453d7800',
    );
  });

  it('agrees with the other writer of the tests', () => {
    fc.assert(
      fc.property(note, ({ name, type, desc }) => {
        expect(encodeNote(name, type, desc)).toEqual(elfNote(name, type, desc));
      }),
    );
  });
});

describe('parseNotes', () => {
  it('gives back all notes that were written, whatever their lengths', () => {
    fc.assert(
      fc.property(fc.array(note, { maxLength: 6 }), (notes) => {
        const blob = Buffer.concat(notes.map((n) => encodeNote(n.name, n.type, n.desc)));
        expect(plain(parse(blob))).toEqual(plain(notes));
      }),
    );
  });

  it('works at any alignment of the buffer', () => {
    const blob = Buffer.concat([Buffer.from('x'), vmcoreinfoNote('A=1\n')]).subarray(1);
    expect(parse(blob)).toMatchObject([{ name: 'VMCOREINFO', type: 0, desc: Buffer.from('A=1\n') }]);
  });

  it('passes over the zeroed notes of CPUs that were offline', () => {
    const zero = new Uint8Array(12);
    const blob = Buffer.concat([
      zero,
      prstatusNote(1, { rip: 1n, rsp: 2n }),
      zero,
      zero,
      vmcoreinfoNote('x'),
    ]);
    expect(parse(blob).map((n) => n.name)).toEqual(['CORE', 'VMCOREINFO']);
    expect(parse(blob)[0].type).toBe(NT_PRSTATUS);
  });

  it('finds nothing in zeros, in nothing and in less than a header', () => {
    for (const length of [0, 1, 11, 12, 4096]) expect(parse(new Uint8Array(length))).toEqual([]);
  });

  it('keeps the notes before one that is cut short, at every place of the cut', () => {
    const first = vmcoreinfoNote('KEY=VALUE\n');
    const both = Buffer.concat([first, encodeNote('CORE', 1, new Uint8Array(8).fill(7))]);
    for (let length = first.length; length < both.length; length++) {
      expect(parse(both.subarray(0, length))).toHaveLength(1);
    }
    expect(parse(both)).toHaveLength(2);
  });

  it('takes a last note whose descriptor is not padded', () => {
    const blob = encodeNote('VMCOREINFO', 0, Buffer.from('12345')).subarray(0, 12 + 12 + 5);
    expect(Buffer.from(parse(blob)[0].desc).toString()).toBe('12345');
  });

  it('ends at sizes of 4 GiB instead of wrapping round', () => {
    for (const [namesz, descsz] of [
      [0xffffffff, 0],
      [0, 0xffffffff],
      [0xfffffff4, 0xfffffff4],
      [0xfffffffd, 4],
    ]) {
      const blob = Buffer.alloc(64);
      blob.writeUInt32LE(namesz, 0);
      blob.writeUInt32LE(descsz, 4);
      expect(parse(blob)).toEqual([]);
    }
  });

  it('reads big-endian notes', () => {
    const blob = Buffer.concat([
      Buffer.from('000000050000000400000001', 'hex'),
      Buffer.from('CORE\0\0\0\0wxyz'),
    ]);
    expect(plain(parse(blob, false))).toEqual([{ name: 'CORE', type: 1, desc: [...Buffer.from('wxyz')] }]);
  });

  it('never throws and never gives bytes from outside, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (blob) => {
        for (const { desc } of parse(blob)) {
          expect(desc.byteOffset).toBeGreaterThanOrEqual(blob.byteOffset);
          expect(desc.byteOffset + desc.length).toBeLessThanOrEqual(blob.byteOffset + blob.length);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
