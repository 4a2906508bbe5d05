/** The cache of pages behind single values: what it gives is what is there, however often pages come and go. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CachedMemory } from '../../src/arch/memory.ts';
import { PhysicalPages } from '../build/physical-pages.ts';
import { readerOf } from './memory.ts';

describe('CachedMemory', () => {
  const pages = new PhysicalPages();
  for (let pfn = 0; pfn < 200; pfn += 2) pages.page(pfn).fill(pfn + 1);

  it('gives each page as it is, and nothing for one that is not there, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(205), { maxLength: 300 }), (order) => {
        const memory = new CachedMemory(readerOf(pages));
        for (const pfn of order) {
          const page = memory.page(pfn);
          expect(page?.[0]).toBe(pfn % 2 === 0 && pfn < 200 ? pfn + 1 : undefined);
          expect(page?.[4095]).toBe(page?.[0]);
        }
      }),
    );
  });

  it('reads a page once while it is in use', () => {
    let reads = 0;
    const reader = readerOf(pages);
    const counting: typeof reader.read = (paddr, into) => {
      reads++;
      return reader.read(paddr, into);
    };
    const memory = new CachedMemory({ ...reader, read: counting });
    for (let i = 0; i < 1000; i++) {
      memory.page(0);
      memory.page(1);
      memory.page(2 * (i % 50));
    }
    expect(reads).toBe(51);
  });

  it('copies bytes across pages where all of them are there', () => {
    const memory = new CachedMemory(readerOf(pages));
    expect(memory.read(4090, 6)).toEqual(Buffer.alloc(6, 1));
    expect(memory.read(4090, 7)).toBeUndefined();
    expect(memory.read(0, 0)).toEqual(Buffer.alloc(0));
  });
});
