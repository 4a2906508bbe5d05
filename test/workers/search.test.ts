/** The search for VMCOREINFO in memory: all of it is looked at, unless it is noise. */
import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scanForVmcoreinfo } from '../../src/kernel/scan-vmcoreinfo.ts';
import { openDump } from '../../src/read/open.ts';
import { openReader } from '../../src/workers/thread.ts';
import { PageCipher } from '../build/cipher.ts';
import { type Change, enciphered, readerWith, searchMemory } from '../sme/verdict/judging.ts';
import { buildEveryKind } from './every-kind.ts';
import { scratch } from './run-dump.ts';

const path = join(scratch(), 'core');
const pages = [{ pfn: 10_752, count: 4096, kind: 'cache' as const, data: 'text' as const }];
const core = buildEveryKind({ path, pages, vmcoreinfo: 'memory', qemuNote: true });
const root = core.tables.pgdPaddr / 4096;
const cipher = new PageCipher('search');

/** How many page frames the search touches. */
async function touchedWith(change: Change | undefined, withNotes: boolean): Promise<number> {
  const opened = openDump(path);
  const file = withNotes ? opened : { ...opened, notes: Buffer.alloc(0) };
  const plain = await openReader(file, false);
  const touched = new Set<number>();
  const reader = readerWith(plain, change, touched);
  for await (const _ of searchMemory(file, reader, scanForVmcoreinfo(file, reader)));
  plain.close();
  closeSync(opened.fd);
  return touched.size;
}

test('looks at all memory of a dump that can be read', async () => {
  expect(await touchedWith(undefined, false)).toBe(16_384);
});

test('is not begun in noise, of which a sample is enough', async () => {
  const noise = enciphered(cipher);
  expect(await touchedWith(noise, false)).toBeLessThan(2100);
  // CR3 is known, but what it leads to is noise as well.
  expect(await touchedWith(noise, true)).toBeLessThan(2100);
});

test('looks at all memory where a CPU had a page table that can be read, whatever the rest is', async () => {
  const almostAll = enciphered(cipher, (pfn) => pfn === root);
  expect(await touchedWith(almostAll, true)).toBe(16_384);
  expect(await touchedWith(almostAll, false)).toBeLessThan(2100);
});
