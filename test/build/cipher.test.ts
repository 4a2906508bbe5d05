/** The stand-in for memory encryption: it does what a verdict on ciphertext must be able to rely on. */
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseNotes } from '../../src/read/notes.ts';
import { scratch } from '../workers/run-dump.ts';
import { type EncipherOptions, encipher, type NotesAre, PageCipher } from './cipher.ts';
import { forEachPage, openSource } from './copy-dump.ts';
import { isZero } from './physical-pages.ts';
import { makeSmeTwin } from './sme-twin.ts';
import { buildVmcore } from './vmcore.ts';

const dir = scratch();
const cipher = new PageCipher('test');
const enciphered = (pfn: number, page: Uint8Array): Buffer => {
  const copy = Buffer.from(page);
  cipher.encipher(pfn, copy);
  return copy;
};

describe('the cipher', () => {
  test('is undone by itself, at the same address with the same key', () => {
    const frame = fc.integer({ min: 0, max: 2 ** 40 });
    fc.assert(
      fc.property(frame, fc.uint8Array({ minLength: 4096, maxLength: 4096 }), (pfn, page) => {
        const back = enciphered(pfn, page);
        new PageCipher('test').decipher(pfn, back);
        expect(back.equals(page)).toBe(true);
        const elsewhere = enciphered(pfn, page);
        cipher.decipher(pfn + 1, elsewhere);
        expect(elsewhere.equals(page)).toBe(false);
        const otherKey = enciphered(pfn, page);
        new PageCipher('other').decipher(pfn, otherKey);
        expect(otherKey.equals(page)).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  test('repeats nothing: not in a page, not between addresses', () => {
    const zeros = new Uint8Array(4096);
    const seen = new Set<bigint>();
    for (let pfn = 0; pfn < 256; pfn++) {
      const page = enciphered(pfn, zeros);
      for (let at = 0; at < page.length; at += 8) seen.add(page.readBigUInt64LE(at));
    }
    expect(seen.size).toBe(256 * 512);
  });

  test('gives bytes that are evenly spread', () => {
    for (let pfn = 0; pfn < 64; pfn++) {
      const counts = new Array<number>(256).fill(0);
      for (const byte of enciphered(pfn, new Uint8Array(4096))) counts[byte]++;
      // 255 degrees of freedom: mean 255, standard deviation 22.6.
      const chiSquare = counts.reduce((sum, n) => sum + (n - 16) ** 2 / 16, 0);
      expect(chiSquare).toBeGreaterThan(150);
      expect(chiSquare).toBeLessThan(400);
    }
  });
});

describe('a dump of a machine whose memory nobody deciphered', () => {
  const original = join(dir, 'original');
  const twin = join(dir, 'twin');
  const shared = { pfn: 1024, count: 512 };
  const built = buildVmcore({
    path: original,
    ram: [{ start: 0, end: 24 * 2 ** 20 }],
    pages: [{ ...shared, kind: 'kernel', data: 'text' }],
    qemuNote: true,
  });
  const made = makeSmeTwin({ from: original, to: twin, mask: 1n << 51n, shared: [shared] });
  const isShared = (pfn: number) => pfn >= shared.pfn && pfn < shared.pfn + shared.count;

  async function opened(options: Omit<EncipherOptions, 'to'>) {
    await made;
    const to = join(dir, 'enciphered');
    await encipher({ ...options, to });
    return openSource(to);
  }
  const names = (notes: Uint8Array) => [...parseNotes(notes)].map(({ name }) => name);

  test.each(['on-off', 'guest-from-host'] as const)(
    '%s: private pages are noise, shared pages plain',
    async (situation) => {
      const source = await opened({ from: twin, situation });
      const plain: number[] = [];
      const zero: number[] = [];
      forEachPage(source, (pfn, page) => {
        if (page.equals(built.pageBytes(pfn))) plain.push(pfn);
        if (isZero(page)) zero.push(pfn);
      });
      source.close();
      expect(plain.every(isShared)).toBe(true);
      expect(plain).toHaveLength(shared.count);
      expect(zero).toEqual([]);
      expect(names(source.file.notes)).toEqual(situation === 'on-off' ? [] : ['CORE', 'QEMU']);
    },
  );

  test('off-on: all pages are noise', async () => {
    const source = await opened({ from: original, situation: 'off-on' });
    forEachPage(source, (pfn, page) => {
      if (page.equals(built.pageBytes(pfn))) throw new Error(`page frame ${pfn} is plain`);
      cipherOf.encipher(pfn, page);
      if (!page.equals(built.pageBytes(pfn))) throw new Error(`page frame ${pfn} is something else`);
    });
    source.close();
    expect(names(source.file.notes)).toEqual([]);
  });
  const cipherOf = new PageCipher('smelt');

  test('pages that are named stay as they are', async () => {
    const plain = { pfn: 100, count: 5 };
    const source = await opened({ from: original, situation: 'off-on', plain: [plain] });
    const same: number[] = [];
    forEachPage(source, (pfn, page) => {
      if (page.equals(built.pageBytes(pfn))) same.push(pfn);
    });
    source.close();
    expect(same).toEqual([100, 101, 102, 103, 104]);
  });

  test.each([
    ['plain', ['CORE', 'QEMU', 'VMCOREINFO'], true],
    ['VMCOREINFO is noise', ['CORE', 'QEMU', 'VMCOREINFO'], false],
    ['without VMCOREINFO', ['CORE', 'QEMU'], false],
    ['none', [], false],
    ['noise', [], false],
  ] as const)('its notes can be: %s', async (notes: NotesAre, expected, hasText) => {
    const source = await opened({ from: original, situation: 'guest-from-host', notes });
    source.close();
    expect(names(source.file.notes)).toEqual(expected);
    expect(Buffer.from(source.file.notes).includes('OSRELEASE=')).toBe(hasText);
    expect(source.file.notes.length > 0).toBe(notes !== 'none');
  });
});
