/** Two dumps are compared page by page, and no page is unpacked again and again. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openCodec } from '../../src/codec/makers.ts';
import { closeDump, createReader, openDump } from '../../src/read/open.ts';
import { type Compared, PagePair } from '../../src/workers/page-pair.ts';
import { buildKdump } from '../build/kdump.ts';
import { pageContent } from '../build/page-content.ts';
import { tempFiles } from '../read/temp-files.ts';

const files = tempFiles();
const PAGES = 512;

async function opened(path: string) {
  const file = openDump(path);
  const reader = createReader(file, false, [await openCodec('zlib')]);
  let loaded = 0;
  const counting = Object.assign(Object.create(reader), {
    load: (pfn: number, count: number) => {
      const n = reader.load(pfn, count);
      loaded += n;
      return n;
    },
  });
  const close = () => {
    reader.close();
    closeDump(file);
  };
  return { reader: counting as typeof reader, loaded: () => loaded, close };
}

test.each([
  ['every', 1],
  ['every second', 2],
  ['every tenth', 10],
])('where %s page of the other dump is missing, none is loaded more than twice', async (_, nth) => {
  const pages = new Map(Array.from({ length: PAGES }, (_page, pfn) => [pfn, pageContent('random', pfn)]));
  const [a, b] = [files.path('a'), files.path('b')];
  buildKdump({ path: a, codec: 'raw', pages });
  const { descriptorOf } = buildKdump({ path: b, codec: 'raw', pages });
  const bytes = readFileSync(b);
  for (const [pfn, at] of descriptorOf) if (pfn % nth === 0) bytes.fill(0, at, at + 24);
  const [ofA, ofB] = [await opened(a), await opened(files.write(bytes))];
  const told: Compared[] = [];
  const pair = new PagePair(ofA.reader, ofB.reader);
  for (let pfn = 0; pfn < PAGES; )
    pfn += pair.compare(pfn, Math.min(64, PAGES - pfn), (_from, count, what) => {
      told.push(...new Array<Compared>(count).fill(what));
    });
  expect(told).toEqual(Array.from(told, (_page, pfn) => (pfn % nth === 0 ? 'onlyA' : 'identical')));
  expect(told).toHaveLength(PAGES);
  for (const { loaded } of [ofA, ofB]) expect(loaded()).toBeLessThan(2 * PAGES);
  for (const { close } of [ofA, ofB]) close();
});
