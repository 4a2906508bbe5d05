/** What stands in pages: seeded, so that a builder gives the same file each time. */
import { pageSize } from './physical-pages.ts';

export type PageData = 'zero' | 'text' | 'random' | Uint8Array;

/** Marsaglia's xorshift32: a seed of 0 would stay 0. */
export function xorshift(seed: number): () => number {
  let x = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return () => {
    x ^= x << 13;
    x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    return x;
  };
}

/** Bytes of one page. `salt` (usually its pfn) makes random and text pages differ from each other. */
export function pageContent(data: PageData, salt: number): Uint8Array {
  if (data instanceof Uint8Array) {
    const page = new Uint8Array(pageSize);
    page.set(data.subarray(0, pageSize));
    return page;
  }
  if (data === 'zero') return new Uint8Array(pageSize);
  if (data === 'random') {
    const next = xorshift(salt);
    const words = new Uint32Array(pageSize / 4);
    for (let i = 0; i < words.length; i++) words[i] = next();
    return new Uint8Array(words.buffer);
  }
  const line = `page frame ${salt.toString(16)}: the quick brown fox jumps over the lazy dog\n`;
  return new Uint8Array(Buffer.alloc(pageSize, line, 'latin1'));
}
