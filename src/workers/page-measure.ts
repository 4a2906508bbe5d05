/** What one page would take in the output, found as the compress phase would do it and without writing anything. */

import { openZeroTest } from '../native/zero-test.ts';
import type { Thread } from './thread.ts';

/** In the place of a size: the page is one of zeros, which all share one, or cannot be read. */
export const ZERO_PAGE = 0;
export const MISSING_PAGE = -1;

/** Bytes of a page frame's data, or one of the above. */
export type PageMeasure = (pfn: number) => number;

export async function openPageMeasure(thread: Thread): Promise<PageMeasure> {
  const { reader } = thread;
  const { pageSize } = reader;
  const codec = await thread.openCodec();
  const out = Buffer.alloc(Math.max(pageSize, codec?.outSize(pageSize) ?? 0));
  const isZero = openZeroTest(pageSize);
  return (pfn) => {
    if (reader.load(pfn, 1) === 0) return MISSING_PAGE;
    if (isZero(reader.bytes, reader.start)) return ZERO_PAGE;
    return codec?.compress(reader.bytes, out, reader.start, pageSize) || pageSize;
  };
}
