import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { DumpFile } from '../../../src/read/dump-file.ts';
import type { Row, Verdict } from '../../../src/sme/verdict/report.ts';
import { spreadPfns, spreadRanks } from '../../../src/sme/verdict/sample.ts';
import { hintFor, sentenceFor } from '../../../src/sme/verdict/words.ts';
import { PageCipher } from '../../build/cipher.ts';
import { buildKdump } from '../../build/kdump.ts';
import { pageContent } from '../../build/page-content.ts';
import { buildVmcore } from '../../build/vmcore.ts';
import type { PageSpec } from '../../build/vmcore-options.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { type Change, deciphered, enciphered, judgeDump } from './judging.ts';

const files = tempFiles();
const cipher = new PageCipher('unit');
const none = () => false;
const noInfo = (name: string) => name !== 'VMCOREINFO';

/** 40 MiB with pages of processes and offline ones; QEMU's note, and VMCOREINFO in a note. */
const pages: readonly PageSpec[] = [
  { pfn: 5632, count: 1024, kind: 'anon' },
  { pfn: 6656, count: 512, kind: 'offline' },
  { pfn: 7168, count: 512, kind: 'cache' },
];
const path = files.path('core');
const core = buildVmcore({
  path,
  ram: [{ start: 0, end: 40 * 2 ** 20 }],
  pages,
  kernel: '6.12',
  smeMask: 1n << 51n,
  qemuNote: true,
  fill: 'buddy',
});
const judged = async (options: Parameters<typeof judgeDump>[1]) => (await judgeDump(path, options)).verdict;
const onPage =
  (paddr: number, change: (page: Buffer) => void): Change =>
  (pfn, page) => {
    if (pfn === paddr / 4096) change(page);
  };
const all = enciphered(cipher);

describe('a machine that can be read', () => {
  it('is readable, and only page tables, struct pages and pages of the image are touched', async () => {
    const { verdict, touched } = await judgeDump(path);
    expect(verdict).toMatchObject({ outcome: 'readable', row: undefined, hint: undefined });
    expect(verdict.seen).toMatchObject({ sampledPages: 0, knownPages: expect.any(Number) });
    expect(touched.size).toBeGreaterThan(15);
    const wrong = [...touched].filter((pfn) => {
      const run = core.runs.find((r) => r.pfn <= pfn && pfn < r.pfn + r.blocks * 2 ** r.look.order);
      return run?.look.name !== 'reserved';
    });
    expect(wrong).toEqual([]);
  });

  it('stays readable when its text alone looks random, as in synthetic dumps', async () => {
    const { seen, outcome } = await judged({});
    expect(seen.knownRandomPages).toBeGreaterThan(2);
    expect(outcome).toBe('readable');
  });

  it('is ciphertext when its struct pages look random too', async () => {
    const structs = new Set<number>();
    for (const { pieces } of core.tables.memmapChunks) {
      for (const paddr of pieces) {
        for (let i = 0; i < 512; i++) structs.add(paddr / 4096 + i);
      }
    }
    const verdict = await judged({
      notes: (name) => name !== 'QEMU',
      change: (pfn, page) => void (structs.has(pfn) && cipher.encipher(pfn, page)),
    });
    expect(verdict).toMatchObject({ outcome: 'ciphertext', row: undefined });
    expect(verdict.sentence).toMatch(
      /\d+ of \d+ page tables, struct pages and pages of kernel text look random$/,
    );
  });
});

describe('ciphertext', () => {
  it('is known although -i says where everything is', async () => {
    const vmcoreinfoFile = files.path('vmcoreinfo');
    writeFileSync(vmcoreinfoFile, core.vmcoreinfoText);
    expect(await judged({ vmcoreinfoFile, notes: none })).toMatchObject({ outcome: 'readable' });
    const verdict = await judged({ vmcoreinfoFile, notes: none, change: all });
    expect(verdict).toMatchObject({ outcome: 'ciphertext', seen: { vmcoreinfo: 'file' } });
  });

  it('is known although -i is of another kernel, and leads out of memory', async () => {
    const vmcoreinfoFile = files.path('vmcoreinfo');
    const elsewhere = core.vmcoreinfoText.replace(/NUMBER\(phys_base\)=.*/, `NUMBER(phys_base)=${2 ** 40}`);
    expect(elsewhere).not.toBe(core.vmcoreinfoText);
    writeFileSync(vmcoreinfoFile, elsewhere);
    const verdict = await judged({ vmcoreinfoFile, notes: none, change: all });
    expect(verdict).toMatchObject({ outcome: 'ciphertext', seen: { topLevelTable: undefined } });
  });

  it('is known although there is a VMCOREINFO note, as in a dump of it that was made with -i', async () => {
    const verdict = await judged({ change: all });
    expect(verdict).toMatchObject({ outcome: 'ciphertext', seen: { topLevelTable: 'implausible' } });
  });

  it('was read by a host where QEMU’s notes are there', async () => {
    const verdict = await judged({ notes: noInfo, change: all });
    expect(verdict).toMatchObject({ outcome: 'ciphertext', row: 'hypervisor', rowIsKnown: false });
  });

  it('is told from what /proc/vmcore shows by the running kernel’s own state', async () => {
    const live = { live: true, notes: none } as const;
    const off = await judged({ ...live, change: all, capture: () => 'none' });
    expect(off).toMatchObject({ outcome: 'ciphertext', row: 'on/off', rowIsKnown: true });
    const on = await judged({ ...live, change: deciphered(cipher), capture: () => 'SME' });
    expect(on).toMatchObject({ outcome: 'ciphertext', row: 'off/on', rowIsKnown: true });
    const unknown = await judged({ ...live, change: all, capture: () => undefined });
    // It may be an SNP guest, whose pages are not to be touched at random.
    expect(unknown).toMatchObject({ outcome: 'unknown', row: undefined, seen: { sampledPages: 0 } });
  });

  it('does not ask the running kernel about a file', async () => {
    const capture = () => {
      throw new Error('was asked');
    };
    expect(await judged({ notes: none, change: all, capture })).toMatchObject({ outcome: 'ciphertext' });
  });

  it('points to off/on only where a kernel’s shared pages could not be overlooked', async () => {
    const large = (file: DumpFile): DumpFile => {
      // The same 40 MiB again and again, 20 GiB in all: the sample has one page of each 10 MiB.
      if (file.format !== 'elf') return file;
      const { paddr, sizeBytes, byteOffset } = file.stored;
      const times = Array.from({ length: 512 }, (_, i) => i);
      const extents = {
        paddr: Float64Array.from(times, (i) => i * 40 * 2 ** 20 + paddr[0]!),
        sizeBytes: Float64Array.from(times, () => sizeBytes[0]!),
        byteOffset: Float64Array.from(times, () => byteOffset[0]!),
      };
      return { ...file, memory: extents, stored: extents };
    };
    const verdict = await judged({ notes: none, file: large, change: all });
    expect(verdict).toMatchObject({ outcome: 'ciphertext', row: undefined });
    expect(verdict.hint).toMatch(/mem_encrypt=/);
  });
});

describe('what is not ciphertext', () => {
  const random: Change = (pfn, page) => void (pfn >= 512 && page.set(pageContent('random', pfn)));
  const isStruct = (pfn: number) =>
    core.tables.memmapChunks.some(({ pieces }) =>
      pieces.some((paddr) => pfn >= paddr / 4096 && pfn < paddr / 4096 + 512),
    );

  it('is the memory of a host whose guests are encrypted: its struct pages are there', async () => {
    const change: Change = (pfn, page) => {
      if (!isStruct(pfn)) random(pfn, page);
    };
    const verdict = await judged({ notes: none, change });
    expect(verdict.outcome).toBe('unknown');
    expect(verdict.seen.randomPages).toBeGreaterThan(1500);
    // The same without them is taken for ciphertext: the assertion above does not hold for another reason.
    expect(await judged({ notes: none, change: random })).toMatchObject({ outcome: 'ciphertext' });
  });

  it('is a dump whose page tables are where VMCOREINFO or CR3 says, whatever else is in it', async () => {
    const change: Change = (pfn, page) => {
      if (pfn !== core.tables.pgdPaddr / 4096) random(pfn, page);
    };
    for (const name of ['VMCOREINFO', 'QEMU']) {
      const verdict = await judged({ notes: (note) => note === name, change });
      expect(verdict).toMatchObject({
        outcome: 'readable',
        seen: { topLevelTable: 'plausible', sampledPages: 0 },
      });
    }
  });

  it('is a dump with as much text as that, though the rest looks random', async () => {
    const mix =
      (textIn100: number): Change =>
      (pfn, page) =>
        void page.set(pageContent((pfn * 37) % 100 < textIn100 ? 'text' : 'random', pfn + 1));
    expect(await judged({ notes: none, change: mix(20) })).toMatchObject({
      outcome: 'unknown',
      seen: { kernelPages: 0 },
    });
    expect(await judged({ notes: none, change: mix(10) })).toMatchObject({ outcome: 'ciphertext' });
  });

  it('is a part of a dump: what would show that it is plaintext may be what is missing', async () => {
    const part =
      (from: number, to: number) =>
      (file: DumpFile): DumpFile => {
        if (file.format !== 'elf') return file;
        const { paddr, byteOffset } = file.stored;
        const stored = {
          paddr: Float64Array.of(paddr[0]! + from * 4096),
          sizeBytes: Float64Array.of((to - from) * 4096),
          byteOffset: Float64Array.of(byteOffset[0]! + from * 4096),
        };
        return { ...file, stored };
      };
    expect(await judged({ notes: none, file: part(0, 9500), change: all })).toMatchObject({
      outcome: 'unknown',
    });
    expect(await judged({ notes: none, file: part(0, 10200), change: all })).toMatchObject({
      outcome: 'ciphertext',
    });
    // Nor where the page that VMCOREINFO leads to is missing.
    const root = core.tables.pgdPaddr / 4096;
    const without: Change = (pfn, page) => all(pfn, page);
    const verdict = await judged({
      file: part(0, root),
      notes: (name) => name === 'VMCOREINFO',
      change: without,
    });
    expect(verdict).toMatchObject({ outcome: 'unknown', seen: { topLevelTable: 'missing' } });
  });

  it('is a dump with fewer than 64 pages that are not zero', async () => {
    const change = (last: number): Change => {
      return (pfn, page) => void (pfn < last ? all(pfn, page) : page.fill(0));
    };
    // All of 600 page frames are looked at.
    const file = (opened: DumpFile): DumpFile => {
      if (opened.format !== 'elf') return opened;
      const extents = { ...opened.stored, sizeBytes: Float64Array.of(600 * 4096) };
      return { ...opened, memory: extents, stored: extents };
    };
    expect(await judged({ notes: none, file, change: change(63) })).toMatchObject({ outcome: 'unknown' });
    expect(await judged({ notes: none, file, change: change(64) })).toMatchObject({ outcome: 'ciphertext' });
  });

  it('is /proc/vmcore with a VMCOREINFO note, which was read as the memory was; and no page is touched', async () => {
    const change = onPage(core.tables.pgdPaddr, (page) => page.fill(0));
    const { verdict, touched } = await judgeDump(path, { live: true, change });
    expect(verdict.outcome).toBe('readable');
    expect([...touched]).toEqual([]);
  });

  it('is /proc/vmcore in an encrypted guest, whose key is the same for both kernels; and no page is touched', async () => {
    const { verdict, touched } = await judgeDump(path, {
      live: true,
      notes: none,
      change: all,
      capture: () => 'SEV-SNP',
    });
    expect(verdict.outcome).toBe('unknown');
    expect([...touched]).toEqual([]);
  });

  it('is a kdump file that somebody could filter', async () => {
    const build = (dumpLevel: number) => {
      const kdump = files.path('kdump');
      const random = Array.from({ length: 200 }, (_, i) => [i, pageContent('random', i + 1)] as const);
      buildKdump({ path: kdump, pages: new Map(random), dumpLevel });
      return kdump;
    };
    expect((await judgeDump(build(1))).verdict).toMatchObject({ outcome: 'ciphertext' });
    expect((await judgeDump(build(31))).verdict).toMatchObject({ outcome: 'readable' });
  });
});

describe('private memory that is not in the dump', () => {
  const zeroes = (share: number, plain: Change = () => {}): Change => {
    return (pfn, page) => {
      if ((pfn * 0.6180339887) % 1 >= share) plain(pfn, page);
      else page.fill(0);
    };
  };
  const text: Change = (pfn, page) => void page.set(pageContent('text', pfn));
  const outcome = async (options: Parameters<typeof judgeDump>[1]) => (await judged(options)).outcome;

  it('is known by zeros where CR3 should lead to a table', async () => {
    expect(await outcome({ notes: noInfo, change: zeroes(1) })).toBe('private memory missing');
    expect(await outcome({ notes: noInfo, change: zeroes(0.995, text) })).toBe('private memory missing');
    expect(await outcome({ notes: noInfo, change: zeroes(0.95, text) })).toBe('unknown');
  });

  it('is never said of a machine with a plausible table, with VMCOREINFO, or without QEMU’s notes', async () => {
    const butTable: Change = (pfn, page) => {
      if (pfn !== core.tables.pgdPaddr / 4096) page.fill(0);
    };
    expect(await outcome({ notes: noInfo, change: butTable })).toBe('readable');
    expect(await outcome({ change: zeroes(1) })).toBe('unknown');
    expect(await outcome({ notes: none, change: zeroes(1) })).toBe('unknown');
  });

  it('is not said of a machine that does not translate addresses yet', async () => {
    const beforePaging = (file: DumpFile): DumpFile => {
      const notes = Buffer.from(file.notes);
      notes.fill(0, notes.indexOf('QEMU\0') + 8 + 392, notes.indexOf('QEMU\0') + 8 + 400);
      return { ...file, notes };
    };
    expect(await outcome({ notes: noInfo, file: beforePaging, change: zeroes(1) })).toBe('unknown');
  });
});

describe('the sample', () => {
  it('lets others have their turn, and ends with what they throw', async () => {
    let looks = 0;
    await judged({ notes: none, look: async () => void looks++ });
    expect(looks).toBe(15);
    const look = async () => {
      throw new Error('enough');
    };
    await expect(judged({ notes: none, look })).rejects.toThrow('enough');
  });

  it('is spread over all of memory, each page frame once, all of them where they are few', () => {
    const memory = (...runs: [number, number][]) => ({
      pageSize: 4096,
      memory: {
        paddr: Float64Array.from(runs, ([pfn]) => pfn * 4096),
        sizeBytes: Float64Array.from(runs, ([, count]) => count * 4096),
        byteOffset: new Float64Array(runs.length),
      },
    });
    expect([...spreadPfns(memory([5, 3], [100, 2]), 10)]).toEqual([5, 6, 7, 100, 101]);
    const pfns = [...spreadPfns(memory([1000, 5000], [2 ** 30, 5000]), 100)];
    expect(new Set(pfns).size).toBe(100);
    expect(pfns.filter((pfn) => pfn < 6000).length).toBe(50);
    for (const of of [2001, 2002, 4001, 2 ** 32]) {
      const ranks = spreadRanks(of, 2000);
      expect(new Set(ranks).size).toBe(ranks.length);
      expect(ranks.length).toBeGreaterThan(1200);
      expect(ranks.at(-1)).toBeLessThan(of);
      expect(ranks).toEqual(ranks.toSorted((a, b) => a - b));
      // In no step with blocks of any power of two.
      if (of > 1e6) expect(new Set(ranks.map((rank) => rank % 512)).size).toBeGreaterThan(100);
    }
  });
});

describe('the words', () => {
  const seen = { sampledPages: 2000, zeroPages: 10, randomPages: 1985 } as Verdict['seen'];
  const found = (row: Row | undefined, rowIsKnown: boolean) =>
    ({ outcome: 'ciphertext', row, rowIsKnown, seen }) as const;

  it('name the row, what was seen, and what to change', () => {
    const words = (row: Row | undefined, known: boolean) =>
      `${sentenceFor('vmcore', found(row, known))}. ${hintFor(found(row, known))}`;
    expect(words('on/off', true)).toMatch(
      /^vmcore: .*1,985 of 1,990 .*mem_encrypt= on and off.*KDUMP_COMMANDLINE_APPEND in \/etc\/sysconfig\/kdump.*KDUMP_CMDLINE_APPEND in \/etc\/default\/kdump-tools/,
    );
    expect(words('off/on', true)).toMatch(/mem_encrypt= off and on/);
    expect(words('on/off', false)).toMatch(/point to a first kernel with mem_encrypt=on/);
    expect(words('off/on', false)).toMatch(/points to a first kernel with mem_encrypt=off/);
    expect(words('hypervisor', false)).toMatch(/point to a SEV guest.*kdump inside of the guest/);
    for (const row of ['on/off', 'off/on', 'hypervisor', undefined] as const) {
      for (const known of [true, false]) {
        expect(words(row, known)).toMatch(/this dump is worth nothing.*smelt dump --allow-ciphertext/i);
        expect(words(row, known)).not.toMatch(/undefined|NaN|\.\.|;\./);
      }
    }
  });

  it('are there for every outcome, and a hint where something can be done', () => {
    const words = (outcome: Verdict['outcome']) => {
      const finding = { ...found(undefined, false), outcome };
      return [sentenceFor('vmcore', finding), hintFor(finding) !== undefined];
    };
    expect([words('readable'), words('unknown'), words('private memory missing')]).toEqual([
      ['vmcore: the memory was read through the right mapping', false],
      [expect.stringMatching(/^vmcore: no page table was found, and nothing says/), false],
      [expect.stringMatching(/^vmcore: the guest's private memory is not in the dump: 10 of 2,000/), true],
    ]);
  });
});
