/** Bitmaps with bits too many or too few, of dumps whose descriptors were never written to their end: no page gets another's contents. */
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import type { KdumpLayout, KdumpOptions } from '../build/kdump.ts';
import { pageContent } from '../build/page-content.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import { at, build, compareWith, END_PFN, isZero, PAGES, salvageOrWhy, save } from './broken-dumps.ts';

const PFNS = [...PAGES.keys()];
/** A dump whose disk was full: of the last pages no descriptor was written. */
const REST = PFNS.slice(-400);
const FULL = new Map([...PAGES].filter(([, page]) => !isZero(page)));

/** As makedumpfile and smelt do it where no page is all zeros: there is a page of zeros all the same. */
function withZeroPage(options: Partial<KdumpOptions> = {}) {
  // At the end nothing was written.
  const pages = new Map([...FULL, [END_PFN, new Uint8Array(4096)]]);
  const incomplete = [...FULL.keys(), END_PFN].slice(-401);
  return { ...build('raw', { pages, incomplete, ...options }), saved: FULL.size - 400, pages };
}

function change(file: Buffer, { bitmap2 }: KdumpLayout, pfns: readonly number[]): Buffer {
  const changed = Buffer.from(file);
  for (const pfn of pfns) changed[bitmap2 + (pfn >>> 3)]! ^= 1 << (pfn & 7);
  return changed;
}

async function expectRefused(bytes: Uint8Array, what: RegExp = /second bitmap/): Promise<void> {
  writeFileSync(at('refused'), bytes);
  const error = await salvageOrWhy({ input: at('refused'), output: at('none') });
  expect(error).toBeInstanceOf(SmeltError);
  expect(error).toMatchObject({ code: 'CORRUPT', message: expect.stringMatching(what) });
}

/** What has a page of zeros that many share, one that nobody does, or none. */
const UNFINISHED = {
  'a page of zeros that many share': () => ({
    ...build('zlib', { incomplete: REST }),
    saved: PAGES.size - 400,
  }),
  'a page of zeros that nobody shares': () => withZeroPage(),
  'no page of zeros': () => {
    const incomplete = [...FULL.keys()].slice(-400);
    return { ...build('raw', { pages: FULL, incomplete }), saved: FULL.size - 400 };
  },
};

describe.each(Object.entries(UNFINISHED))('an unfinished dump with %s', (_, make) => {
  it('is salvaged', async () => {
    const { file, saved } = make();
    const result = (await save(file))!;
    expect(compareWith(result.output, PAGES)).toEqual({ wrong: [], right: saved });
  });

  // 170 descriptors have about a page; 400 are those that were not written.
  it.each([1, 2, 7, 100, 170, 171, 300, 399, 400, 401])(
    'and %i bits too few in its bitmap is refused',
    async (count) => {
      const { file, layout } = make();
      const kept = [...layout.descriptorOf.keys()];
      const first = Math.floor((kept.length - count) / 3);
      await expectRefused(change(file, layout, kept.slice(first, first + count)));
    },
  );

  it.each([1, 2, 7, 100, 170, 171])('and %i bits too many in its bitmap is refused', async (count) => {
    const { file, layout } = make();
    const free: number[] = [];
    for (let pfn = 0; pfn < END_PFN; pfn++) if (!layout.descriptorOf.has(pfn)) free.push(pfn);
    await expectRefused(change(file, layout, free.slice(0, count)));
  });
});

describe('what salvage has written', () => {
  // Of the second no page is left that shares the page of zeros.
  it.each([
    ['with', PAGES],
    ['without', FULL],
  ])('is salvaged again %s pages of zeros, and refused with other bits in its bitmap', async (_, pages) => {
    const { file, layout } = build('zlib', { pages });
    for (const lost of [1, 40]) {
      const descriptors = [...layout.descriptorOf.values()].slice(20, 20 + lost);
      for (const where of descriptors) file.writeUInt32LE(0x40, where + 12);
      const once = (await save(file, 'once'))!;
      expect(once.report.lostPages).toBe(lost);
      const bytes = readFileSync(once.output);
      const again = (await save(bytes, 'again'))!;
      expect(compareWith(again.output, PAGES)).toEqual({ wrong: [], right: pages.size - lost });
      writeFileSync(at('bits'), bytes);
      const dump = parseKdump(at('bits'));
      const bitmap2 = bytes.indexOf(dump.bitmap2);
      const places = { ...layout, bitmap2 };
      const kept = [...dump.descriptors.keys()];
      for (const count of [1, lost, lost + 1]) {
        await expectRefused(change(bytes, places, kept.slice(100, 100 + count)));
        // As many more as were lost end where the table ended at first.
        const gone = [...layout.descriptorOf.keys()].filter((pfn) => !dump.descriptors.has(pfn));
        const free = [...gone, 0, 1].slice(0, count);
        await expectRefused(change(bytes, places, free), /ended before|descriptor/);
      }
    }
  });
});

describe('what salvage has written of a dump of everything', () => {
  /** Salvaged, with as many pages lost from the middle. */
  const salvaged = async (lost: number) => {
    const { file, layout } = build('raw', { ram: [] });
    file.fill(0xee, layout.descriptors + 24 * 300, layout.descriptors + 24 * (300 + lost));
    const { output } = (await save(file, 'once'))!;
    const bytes = readFileSync(output);
    const end = layout.descriptors + 24 * (PAGES.size - lost);
    return { bytes, end, whole: PAGES.size - lost };
  };

  it.each([1, 30])(
    'is salvaged again where a bit behind its descriptors is wrong (%i lost)',
    async (lost) => {
      const { bytes, end, whole } = await salvaged(lost);
      for (let bit = 0; bit < 24 * 8; bit += 5) {
        const broken = Buffer.from(bytes);
        broken[end + (bit >>> 3)]! ^= 1 << (bit & 7);
        const again = (await save(broken, 'again'))!;
        expect(compareWith(again.output, PAGES), `bit ${bit}`).toEqual({ wrong: [], right: whole });
      }
    },
  );

  it('is salvaged again where a sector behind its descriptors is gone', async () => {
    const { bytes, end, whole } = await salvaged(60);
    bytes.fill(0, end, end + 512);
    const again = (await save(bytes, 'again'))!;
    expect(compareWith(again.output, PAGES)).toEqual({ wrong: [], right: whole });
  });

  it.each([1, 20, 170])('is refused where nothing is left behind its descriptors (%i lost)', async (lost) => {
    const { bytes, end } = await salvaged(lost);
    await expectRefused(bytes.fill(0, end, end + 24 * lost));
    await expectRefused(bytes.fill(0xee, end, end + 24 * lost));
  });
});

describe('an unfinished dump of everything', () => {
  it('whose pages were written in another order has the first bitmap for the second', async () => {
    const pfns = [...PAGES.keys()];
    const incomplete = [...pfns.slice(0, 150), ...pfns.slice(300, 333), ...pfns.slice(-100)];
    const { file, layout } = build('zlib', { ram: [], incomplete });
    const right = pfns.length - incomplete.length;
    for (const lost of [1, 170]) {
      const saved = (await save(change(file, layout, pfns.slice(200, 200 + lost))))!;
      expect(compareWith(saved.output, PAGES)).toEqual({ wrong: [], right });
    }
  });
});

describe('where descriptors end', () => {
  const pfns = [...FULL.keys()];

  it.each([1, 3, 100])(
    'is not seen where the first and the last are damaged and %i bits lost',
    async (lost) => {
      for (const codec of ['raw', 'zlib'] as const) {
        const { file, layout } = build(codec, { pages: FULL });
        const { descriptors } = layout;
        file.fill(0xee, descriptors + 24 * (FULL.size - lost), descriptors + 24 * FULL.size);
        file.fill(0, descriptors, descriptors + 24);
        await expectRefused(change(file, layout, pfns.slice(10, 10 + lost)));
      }
    },
  );

  it('is not seen by zeros of which a page has some', async () => {
    const pages = new Map(FULL);
    const first = Buffer.from(pageContent('random', 3));
    // 170 descriptors and these are a page.
    pages.set(pfns[0]!, first.fill(0, 0, 16));
    const { file, layout } = build('raw', { pages });
    file.fill(0, layout.descriptors + 24 * (FULL.size - 370), layout.data);
    file.fill(0, layout.descriptors, layout.descriptors + 24);
    await expectRefused(change(file, layout, pfns.slice(10, 180)));
  });
});

describe('a dump without pages of zeros', () => {
  const into = (which: readonly number[]): NonNullable<KdumpOptions['desc']> => {
    const pfns = [...FULL.keys()];
    return (pfn) => (which.includes(pfns.indexOf(pfn)) ? { offset: 4096n * 6n } : {});
  };

  it('is not refused for one descriptor that leads into their table', async () => {
    const { file, layout } = build('raw', { pages: FULL, desc: into([50]) });
    expect(layout.descriptors).toBeLessThanOrEqual(4096 * 6);
    const saved = (await save(file))!;
    expect(saved.report.lost).toMatchObject({ badDescriptor: 1 });
    expect(compareWith(saved.output, PAGES)).toEqual({ wrong: [], right: FULL.size - 1 });
  });

  it('is refused where many do, by their number', async () => {
    const many = Array.from({ length: 30 }, (_, i) => 50 + i);
    await expectRefused(build('raw', { pages: FULL, desc: into(many) }).file, /30 descriptors lead to/);
    await expectRefused(build('raw', { pages: FULL, desc: into([0]) }).file, /1 descriptor leads to/);
  });

  it('is salvaged where the descriptors of its first pages are gone', async () => {
    const { file, layout } = build('zlib', { pages: FULL });
    file.fill(0xee, layout.descriptors, layout.descriptors + 24 * 5);
    const saved = (await save(file))!;
    expect(compareWith(saved.output, PAGES)).toEqual({ wrong: [], right: FULL.size - 5 });
  });
});

describe('a descriptor', () => {
  it('that leads into the table of descriptors has no page', async () => {
    const which = PFNS.find((pfn) => pfn % 7 !== 0 && pfn > 100)!;
    const { file, layout } = build('raw', {
      desc: (pfn) => (pfn === which ? { offset: 4096n * 6n } : {}),
    });
    expect(layout.data).toBeGreaterThan(4096 * 7);
    const saved = (await save(file))!;
    expect(saved.report.lost).toMatchObject({ badDescriptor: 1, overlapping: 0 });
    expect(compareWith(saved.output, PAGES)).toEqual({ wrong: [], right: PAGES.size - 1 });
  });

  it.each([0n, 1n, 5000n])(
    'that leads into the erase info has no page (%i bytes before its end)',
    async (before) => {
      const eraseinfo = 'erase some_struct.member 8\n'.repeat(200);
      const which = PFNS.find((pfn) => pfn % 7 !== 0 && pfn > 100)!;
      const { layout } = build('raw', { eraseinfo });
      // Behind it something more, as smelt and makedumpfile --reassemble have it.
      const { file } = build('raw', {
        eraseinfo,
        desc: (pfn) => (pfn === which ? { offset: BigInt(layout.size) - before } : {}),
      });
      const saved = (await save(Buffer.concat([file, pageContent('random', 4), pageContent('random', 5)])))!;
      const isOutside = before === 0n;
      expect(saved.report.lost.badDescriptor).toBe(isOutside ? 0 : 1);
      const { wrong } = compareWith(saved.output, PAGES);
      // A damaged descriptor that leads to bytes of nobody: a raw page proves nothing.
      expect(wrong).toEqual(isOutside ? [which] : []);
    },
  );
});
