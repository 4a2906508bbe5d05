/** The verdict on dumps of real kernels: as they are, with parts missing, damaged, and made ciphertext. */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DumpFile } from '../../../src/read/dump-file.ts';
import { PageCipher } from '../../build/cipher.ts';
import { deciphered, enciphered, type JudgeDumpOptions, judgeDump, searchMemory } from './judging.ts';

const fixtures = process.env.SMELT_FIXTURES_UNPACKED ?? join(homedir(), '.cache/smelt/fixtures');
const samples = join(import.meta.dirname, '../../../samples');
const dumps = [
  ...readdirSync(samples)
    .filter((name) => name.endsWith('.kdump'))
    .map((name) => join(samples, name)),
  ...(existsSync(fixtures) ? readdirSync(fixtures) : ['(none)'])
    .filter((name) => name.endsWith('.elf') || name === '(none)')
    .map((name) => join(fixtures, name)),
];
const cipher = new PageCipher('verdict');
const noInfo = (name: string) => name !== 'VMCOREINFO';

/** The first part of what the file has, as of a file that is cut short. */
const cutTo =
  (share: number) =>
  (file: DumpFile): DumpFile => {
    if (file.format !== 'elf') return file;
    const total = file.stored.sizeBytes.reduce((sum, size) => sum + size, 0);
    let left = Math.floor((total * share) / 4096) * 4096;
    const sizeBytes = file.stored.sizeBytes.map((size) => {
      const kept = Math.min(size, left);
      left -= kept;
      return kept;
    });
    return { ...file, stored: { ...file.stored, sizeBytes } };
  };

describe.each(dumps)('the verdict on %s', (path) => {
  const judged = async (options: JudgeDumpOptions = {}) => (await judgeDump(path, options)).verdict;
  const test = it.skipIf(!existsSync(path));

  test('is that it is readable, and it takes page tables, struct pages and text to say so', async () => {
    const { outcome, seen } = await judged();
    expect(outcome).toBe('readable');
    expect(seen).toMatchObject({ sampledPages: 0, knownRandomPages: 0, topLevelTable: 'plausible' });
    expect(seen.knownPages).toBeGreaterThan(15);
  });

  test('stays so without the notes: VMCOREINFO is found in memory', async () => {
    expect(await judged({ notes: () => false, search: searchMemory })).toMatchObject({
      outcome: 'readable',
      row: undefined,
    });
  });

  test('is not that it is ciphertext when nothing says where anything is', async () => {
    const { outcome, seen } = await judged({ notes: () => false });
    expect(outcome).toBe('unknown');
    expect(seen.kernelPages).toBeGreaterThan(seen.sampledPages * 0.03);
    expect(seen.randomPages).toBeLessThan((seen.sampledPages - seen.zeroPages) * 0.25);
  });

  test('is not that it is ciphertext when the top-level table is zeroed', async () => {
    // The search would find VMCOREINFO, whose table is the one that is gone.
    const { seen } = await judged();
    expect(seen.vmcoreinfo).toBe('note');
    const change = (_: number, page: Buffer) => {
      if (looksLikeTable(page)) page.fill(0);
    };
    const damaged = await judged({ change });
    expect(damaged.seen.topLevelTable).toBe('implausible');
    expect(damaged.outcome).toBe('unknown');
  });

  test.each([0.02, 0.6])('is not that it is ciphertext when %f of the file are left', async (share) => {
    for (const notes of [() => true, () => false]) {
      const { outcome } = await judged({ file: cutTo(share), notes });
      expect(['readable', 'unknown']).toContain(outcome);
    }
  });

  test('is ciphertext of a hypervisor where QEMU’s notes are there', async () => {
    const { outcome, row, seen } = await judged({ change: enciphered(cipher), notes: noInfo });
    expect(outcome).toBe('ciphertext');
    expect(row).toBe(seen.qemuCpus > 0 ? 'hypervisor' : 'off/on');
  });

  test('is ciphertext, pointing to on/off, where 6 % are shared and plain', async () => {
    const isPlain = (pfn: number) => pfn % 1024 < 61;
    const change = enciphered(cipher, isPlain);
    // What devices and the kernel exchange: data of files, zeros.
    const shared = (pfn: number, page: Buffer) => {
      if (isPlain(pfn)) page.fill(pfn % 3 === 0 ? '' : `line ${pfn} of a file\n`);
      change(pfn, page);
    };
    const verdict = await judged({ change: shared, notes: () => false });
    expect(verdict).toMatchObject({ outcome: 'ciphertext', row: 'on/off', rowIsKnown: false });
  });

  test('is ciphertext, pointing to off/on, where all is noise', async () => {
    const verdict = await judged({ change: deciphered(cipher), notes: () => false });
    expect(verdict).toMatchObject({ outcome: 'ciphertext', row: 'off/on', rowIsKnown: false });
    expect(verdict.seen).toMatchObject({ zeroPages: 0, repeatedPages: 0, kernelPages: 0 });
    expect(verdict.sentence).toContain(basename(path));
  });
});

/** A page in which every word is a present page-table entry or zero; the encryption bit may be in it. */
function looksLikeTable(page: Buffer): boolean {
  let present = 0;
  for (let at = 0; at < page.length; at += 8) {
    const low = page.readUInt32LE(at);
    const high = page.readUInt32LE(at + 4);
    if (low === 0 && high === 0) continue;
    if ((low & 0x21) !== 0x21 || (high & 0x7ff7_7ff0) !== 0) return false;
    present++;
  }
  return present > 0;
}
