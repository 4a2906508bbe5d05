/** smelt's dump against a peer's: what differs is counted, what is known is told apart, contents are compared. */
import { describe, expect, test } from 'vitest';
import { comparePages } from '../../src/bench/same-pages.ts';
import { writeElfCore } from '../build/elf.ts';
import { buildKdump } from '../build/kdump.ts';
import { pageContent } from '../build/page-content.ts';
import { tempFiles } from '../read/temp-files.ts';

const files = tempFiles();
const { signal } = new AbortController();

function kdump(pfns: readonly number[], change: { maxMapnr?: number; spoil?: number } = {}): string {
  const path = files.path('kdump');
  const { spoil, ...options } = change;
  const pages = new Map(pfns.map((pfn) => [pfn, pageContent('random', pfn === spoil ? pfn + 1 : pfn)]));
  buildKdump({ path, pages, codec: 'zlib', ...options });
  return path;
}

/** Page frames 0 to 0x20, of which the last is there only in part. */
function input(): string {
  const path = files.path('input');
  writeElfCore(path, { loads: [{ paddr: 0, memsz: 0x20 * 4096 + 100 }] });
  return path;
}

describe('two dumps of one input', () => {
  test('are the same when bitmaps and contents are', async () => {
    const pfns = [1, 2, 3, 17];
    expect(await comparePages(input(), kdump(pfns), kdump(pfns), signal)).toEqual({
      same: true,
      differ: 0,
      keptByBoth: 4,
      onlySmelt: 0,
      onlyPeer: 0,
      behindPeersEnd: 0,
      partlyInInput: 0,
      unexplained: [],
      comparedContents: 4,
      differentContents: 0,
    });
  });

  test('differ where only one keeps a page, and known differences are told apart', async () => {
    const ours = kdump([1, 2, 5, 6, 0x20, 100, 101]);
    const theirs = kdump([1, 2, 9], { maxMapnr: 64 });
    expect(await comparePages(input(), ours, theirs, signal)).toMatchObject({
      same: false,
      differ: 6,
      keptByBoth: 2,
      onlySmelt: 5,
      onlyPeer: 1,
      behindPeersEnd: 2,
      partlyInInput: 1,
      unexplained: [
        { pfn: 5, count: 2, keptBy: 'smelt' },
        { pfn: 9, count: 1, keptBy: 'peer' },
      ],
      comparedContents: 2,
    });
  });

  test('differ where a page has other contents', async () => {
    const result = await comparePages(input(), kdump([1, 2, 3]), kdump([1, 2, 3], { spoil: 2 }), signal);
    expect(result).toMatchObject({ same: false, differ: 0, comparedContents: 3, differentContents: 1 });
  });

  test('are compared only when they are kdump-compressed files', async () => {
    await expect(comparePages(input(), kdump([1]), input(), signal)).rejects.toMatchObject({ code: 'PEER' });
  });
});
