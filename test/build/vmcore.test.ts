/** The builder against the real makedumpfile: what it builds is accepted, and filtered the way the builder says. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasBit } from './expected.ts';
import { makedumpfileMissing, newKernelsMissing, peerDmesg, runMakedumpfile } from './makedumpfile-oracle.ts';
import { xorshift } from './page-content.ts';
import { type BuiltVmcore, buildVmcore } from './vmcore.ts';
import type { PageSpec, VmcoreOptions } from './vmcore-options.ts';

const levels = [0, 1, 2, 4, 8, 16, 31];
const because = makedumpfileMissing ? ` (skipped: ${makedumpfileMissing})` : '';
const MiB = 2 ** 20;

/** Every kind that a kernel of 5.10 and 6.1 has, in the second 16 MiB and above. */
const everyKind: readonly PageSpec[] = [
  { pfn: 0x2000, kind: 'buddy', order: 10, count: 3 },
  { pfn: 0x2c00, kind: 'buddy', order: 3, count: 4, data: 'random' },
  { pfn: 0x2c20, kind: 'buddy', order: 0, count: 5, data: 'text' },
  { pfn: 0x3000, kind: 'cache', count: 100, data: 'text' },
  { pfn: 0x3080, kind: 'cache', order: 4, count: 2, data: 'text' },
  { pfn: 0x3100, kind: 'anon', count: 100, data: 'random' },
  { pfn: 0x3200, kind: 'cachePrivate', count: 77 },
  { pfn: 0x3400, kind: 'thp', count: 2 },
  { pfn: 0x3800, kind: 'hugetlb', data: 'text' },
  { pfn: 0x3a00, kind: 'hwpoison', count: 3 },
  { pfn: 0x3a10, kind: 'offline', count: 5 },
  { pfn: 0x3a20, kind: 'slab', order: 3, count: 2, data: 'random' },
  { pfn: 0x3a40, kind: 'compound', data: 'text' },
  { pfn: 0x3a50, kind: 'swapcache', count: 7 },
  { pfn: 0x3a60, kind: 'ksm' },
  { pfn: 0x3a70, kind: 'orphanTail' },
  { pfn: 0x3a71, kind: 'movable' },
  { pfn: 0x3a72, kind: 'table', data: 'random' },
  { pfn: 0x3a73, kind: 'guard' },
  { pfn: 0x3a80, kind: 'cache', hwpoison: true },
  { pfn: 0x3a81, kind: 'kernel', count: 9, data: 'text' },
  // across 4 GiB: another zone
  { pfn: 0x100000, kind: 'buddy', order: 9, count: 4 },
  { pfn: 0x100800, kind: 'anon', count: 600, data: 'text' },
];
const old: readonly PageSpec[] = everyKind.filter((p) => !['offline', 'table', 'guard'].includes(p.kind));
const ram = [
  { start: 0x1000, end: 0x9f000 },
  { start: MiB, end: 64 * MiB },
  { start: 4096 * MiB, end: 4112 * MiB },
];

/** With room for one more block of order 10 in the second range. */
const roomy = [ram[0], { start: MiB, end: 96 * MiB }, ram[2]];

type Variant = Omit<VmcoreOptions, 'path'>;
const variants: Readonly<Record<string, Variant>> = {
  '6.1, 4 levels, 2m vmemmap': {},
  '6.1, 5 levels': { levels: 5 },
  '6.1, encryption mask bit 47': { smeMask: 1n << 47n },
  '6.1, 5 levels, mask bit 51, some leaves without': {
    levels: 5,
    smeMask: 1n << 51n,
    shared: [
      { pfn: 0x3100, count: 3 },
      { pfn: 0x100900, count: 700 },
    ],
  },
  '6.1, KASLR, physBase above 0': { kernelOffset: 0x800000n, physBase: 0x200000n },
  '6.1, KASLR, negative physBase': { kernelOffset: 0x2fe00000n, physBase: -0x2f600000n },
  '6.1, 5 levels, KASLR, mask, negative physBase, 4k leaves': {
    levels: 5,
    kernelOffset: 0x1da00000n,
    physBase: -0x1d800000n,
    smeMask: 1n << 47n,
    leaf: '4k',
  },
  '6.1, 4k vmemmap in scattered pages': { leaf: '4k', directLeaf: '4k' },
  '6.1, 1g vmemmap leaf': { leaf: '1g', ram: [ram[1], { start: 1024 * MiB, end: 1092 * MiB }, ram[2]] },
  '5.10': { kernel: '5.10' },
  '4.19': { kernel: '4.19', pages: old },
  '4.14, another struct page': { kernel: '4.14', pages: old },
  '6.1, struct pages in the direct map': { memoryModel: 'sparsemem' },
  '6.1, static mem_section': { memoryModel: 'sparsemem-static' },
  '6.1, FLATMEM': {
    memoryModel: 'flatmem',
    ram: [ram[0], ram[1]],
    pages: everyKind.filter((p) => p.pfn < 0x100000),
  },
  '6.1, rest of RAM free': { fill: 'buddy' },
  '6.1, segments not page aligned in the file': { elf: { unaligned: 0x838 } },
  '6.1, segments from high to low': { elf: { unsorted: true } },
  '6.1, PN_XNUM': { elf: { pnXnum: true } },
  '6.1, last pages not in the file': { elf: { pfileszShort: 3 } },
  '6.1, two CPUs and QEMU note': { cpus: 2, qemuNote: true },
  '6.1, no keys that it can do without': {
    overrides: { 'BUILD-ID': undefined, 'SYMBOL(vmap_area_list)': undefined, 'NUMBER(sme_mask)': undefined },
  },
};

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'smelt-build-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const build = (variant: Variant): BuiltVmcore =>
  buildVmcore({ path: join(dir, 'vmcore'), ram, pages: everyKind, ...variant });

/** Frames where two bitmaps differ, the first few. */
function differences(a: Uint8Array, b: Uint8Array): string[] {
  const found: string[] = [];
  for (let pfn = 0; pfn < Math.max(a.length, b.length) * 8 && found.length < 8; pfn++) {
    if (pfn % 8 === 0 && (a[pfn / 8] ?? 0) === (b[pfn / 8] ?? 0)) pfn += 7;
    else if (hasBit(a, pfn) !== hasBit(b, pfn)) found.push(`0x${pfn.toString(16)}: ${hasBit(a, pfn)}`);
  }
  return found;
}

describe.skipIf(makedumpfileMissing)(`makedumpfile keeps what the builder expects${because}`, () => {
  it.each(Object.entries(variants))('%s', (_, variant) => {
    const { path, expected } = build(variant);
    for (const level of levels) {
      const peer = runMakedumpfile(path, level);
      expect({ level, ...peer.counts }).toEqual({ level, ...expectedReport(expected, level, variant) });
      expect({ level, differ: differences(expected.kept(level), peer.bitmap2) }).toEqual({
        level,
        differ: [],
      });
      expect({ level, differ: differences(expected.ram, peer.bitmap1) }).toEqual({ level, differ: [] });
      expect(peer.maxMapnr).toBe(expected.maxPfn);
    }
  });

  it('with the kernel text in a segment of its own, as /proc/vmcore has it, counting that memory twice', () => {
    const { path, expected, tables } = build({ elf: { overlap: true } });
    const peer = runMakedumpfile(path, 31);
    expect(differences(expected.kept(31), peer.bitmap2)).toEqual([]);
    // The report takes the hole as max_mapnr less every segment's pages, so overlapping ones count twice.
    expect(peer.counts.kept).toBe(expected.counts(31).kept + tables.image.bytes / 4096);
  });

  it('except that it drops a page of the kernel image whose struct page lies', () => {
    const { path, expected, tables } = build({ lyingImagePages: [3, 70] });
    const pfn = tables.image.paddr / 4096 + 3;
    const peer = runMakedumpfile(path, 31);
    expect(hasBit(expected.kept(31), pfn)).toBe(true);
    expect(hasBit(peer.bitmap2, pfn)).toBe(false);
    expect(differences(expected.kept(31, 'peer'), peer.bitmap2)).toEqual([]);
    const { kept: _, ...counts } = expected.counts(31, 'peer');
    expect(peer.counts).toMatchObject(counts);
  });

  it('except at ranges that end or start in mid-page', () => {
    const fractional = [ram[0], { start: MiB + 0x234, end: 64 * MiB - 0x100 }];
    const { path, expected } = build({ ram: fractional, pages: everyKind.filter((p) => p.pfn < 0x7000) });
    const peer = runMakedumpfile(path, 31);
    // 1.7.2 rounds both ends down: the last page is lost although 0xf00 bytes of it are there. 1.7.9 keeps it.
    expect(differences(expected.kept(31), peer.bitmap2)).toEqual(newKernelsMissing ? ['0x3fff: true'] : []);
    expect(peer.maxMapnr).toBe(expected.maxPfn);
  });

  it('reads the log that the builder wrote', () => {
    const dmesg = ['first line', 'second, of some length, so that blocks are not all equal', 'third'];
    for (const kernel of ['4.14', '5.10', '6.1'] as const) {
      const log = peerDmesg(build({ kernel, dmesg, pages: [] }).path);
      expect(log.split('\n').map((l) => l.replace(/^(\[[^\]]*\] )+/, ''))).toEqual([...dmesg, '']);
    }
  });

  it('finds what a seeded mix of page kinds expects', () => {
    const next = xorshift(20240607);
    for (let round = 0; round < 5; round++) {
      const { path, expected } = build({ pages: randomPages(next), smeMask: round % 2 ? 1n << 51n : 0n });
      const level = next() % 32;
      const peer = runMakedumpfile(path, level);
      expect({ level, ...peer.counts }).toEqual({ level, ...expected.counts(level) });
      expect(differences(expected.kept(level), peer.bitmap2)).toEqual([]);
    }
  });

  it('refuses program headers that do not follow the ELF header, and a core without VMCOREINFO', () => {
    expect(() => runMakedumpfile(build({ elf: { phoff: 192 } }).path, 31)).toThrow('PT_LOAD');
    expect(() => runMakedumpfile(build({ vmcoreinfo: 'memory' }).path, 31)).toThrow(
      "doesn't contain vmcoreinfo",
    );
    expect(() => runMakedumpfile(build({ vmcoreinfo: 'none' }).path, 31)).toThrow(
      "doesn't contain vmcoreinfo",
    );
  });
});

const newKernels = ['6.4', '6.6', '6.9', '6.10', '6.11', '6.12', '6.16', '7.3'] as const;
describe.skipIf(newKernelsMissing)(
  `a newer makedumpfile keeps what the builder expects${newKernelsMissing ? ` (skipped: ${newKernelsMissing})` : ''}`,
  () => {
    it.each(newKernels)('%s, waiters taken for slab pages where PG_slab is gone', (kernel) => {
      const pages: PageSpec[] = [...everyKind, { pfn: 0x3a90, kind: 'anon', count: 4, waiters: true }];
      if (kernel === '6.16' || kernel === '7.3') pages.push({ pfn: 0x3c00, kind: 'unaccepted' });
      const { path, expected } = build({ kernel, levels: 5, smeMask: 1n << 51n, pages, ram: roomy });
      for (const level of levels) {
        const peer = runMakedumpfile(path, level);
        expect({ level, ...peer.counts }).toEqual({ level, ...expected.counts(level, 'peer') });
        expect(differences(expected.kept(level, 'peer'), peer.bitmap2)).toEqual([]);
      }
    });
  },
);

/** makedumpfile's remainder counts pages that p_memsz has and p_filesz has not. */
function expectedReport(expected: BuiltVmcore['expected'], level: number, variant: Variant): object {
  const counts = expected.counts(level);
  return { ...counts, kept: counts.kept + (variant.elf?.pfileszShort ?? 0) };
}

function randomPages(next: () => number): PageSpec[] {
  const kinds = [
    'buddy',
    'cache',
    'cachePrivate',
    'anon',
    'slab',
    'thp',
    'hugetlb',
    'kernel',
    'offline',
    'hwpoison',
  ] as const;
  const pages: PageSpec[] = [];
  for (let at = 0x2000; at < 0x3000; ) {
    const kind = kinds[next() % kinds.length];
    const order =
      kind === 'buddy'
        ? next() % 11
        : kind === 'slab'
          ? next() % 4
          : kind === 'thp' || kind === 'hugetlb'
            ? 9
            : 0;
    const pfn = Math.ceil(at / 2 ** order) * 2 ** order;
    const count = 1 + (next() % (order > 5 ? 2 : 60));
    pages.push({ pfn, kind, order, count, data: next() % 4 === 0 ? 'text' : 'zero' });
    at = pfn + count * 2 ** order + (next() % 5);
  }
  return pages;
}

describe('the builder alone', () => {
  it('writes a terabyte of address space as a small sparse file', () => {
    const { path, sizeBytes } = build({
      ram: [...ram.slice(0, 2), { start: 2 ** 40 - 128 * MiB, end: 2 ** 40 }],
      pages: [{ pfn: 2 ** 28 - 0x1000, kind: 'cache', data: 'text' }],
    });
    expect(statSync(path).size).toBe(sizeBytes);
    expect(statSync(path).blocks * 512).toBeLessThan(16 * MiB);
  });

  it('knows every page of the file it wrote', () => {
    const { pageBytes, tables } = build({ leaf: '4k' });
    expect(Buffer.from(pageBytes(0x3000)).toString('latin1')).toContain('page frame 3000:');
    expect(pageBytes(0x3200).every((b) => b === 0)).toBe(true);
    // Struct pages by way of the page tables: frame 0x3000 is on the lru (bit 4 in 6.1).
    const paddr = translate(pageBytes, tables.pgdPaddr, tables.structPageVaddr(0x3000), 4, 0n);
    const structPage = Buffer.from(pageBytes(Math.floor(paddr / 4096))).subarray(paddr % 4096);
    expect(structPage.readBigUInt64LE(0) & 0x10n).toBe(0x10n);
  });

  it.each([4, 5] as const)(
    'puts the mask into every entry on the way, %i levels, but for shared leaves',
    (walkLevels) => {
      const smeMask = 1n << 51n;
      const shared = [{ pfn: 0x3102, count: 2 }];
      const { pageBytes, tables } = build({ levels: walkLevels, smeMask, shared });
      const entriesOf = (pfn: number): bigint[] => {
        const entries: bigint[] = [];
        const vaddr = tables.pageOffset + BigInt(pfn * 4096);
        expect(translate(pageBytes, tables.pgdPaddr, vaddr, walkLevels, smeMask, entries)).toBe(pfn * 4096);
        return entries;
      };
      for (const pfn of [0x2000, 0x3101, 0x3104])
        expect(entriesOf(pfn).every((e) => (e & smeMask) !== 0n)).toBe(true);
      for (const pfn of [0x3102, 0x3103]) {
        const entries = entriesOf(pfn);
        expect(entries).toHaveLength(walkLevels);
        expect(entries.map((e) => (e & smeMask) !== 0n)).toEqual([
          ...Array(walkLevels - 1).fill(true),
          false,
        ]);
      }
    },
  );

  it.each(newKernels)('expects a waiter to stay what it is in %s', (kernel) => {
    const { expected, vmcoreinfoText } = build({
      kernel,
      pages: [{ pfn: 0x3000, kind: 'anon', waiters: true }],
    });
    expect(expected.counts(31)).toMatchObject({ user: 1, cache: 0 });
    const slabIsType = vmcoreinfoText.includes('PAGE_SLAB_MAPCOUNT_VALUE');
    expect(expected.counts(31, 'peer')).toMatchObject(
      slabIsType ? { user: 0, cache: 1 } : { user: 1, cache: 0 },
    );
  });

  it('counts unaccepted memory as free where the kernel has it, and refuses it elsewhere', () => {
    const pages: readonly PageSpec[] = [{ pfn: 0x2000, kind: 'unaccepted', count: 2 }];
    expect(build({ kernel: '6.16', pages }).expected.counts(16).free).toBe(2048);
    expect(() => build({ kernel: '6.1', pages })).toThrow('no page type "unaccepted"');
  });

  it('exports the keys of a real 6.1 kernel, in its order', () => {
    const keys = build({})
      .vmcoreinfoText.split('\n')
      .map((line) => line.split('=')[0]);
    expect(keys.slice(0, 9)).toEqual([
      'OSRELEASE',
      'BUILD-ID',
      'PAGESIZE',
      'SYMBOL(init_uts_ns)',
      'OFFSET(uts_namespace.name)',
      'SYMBOL(node_online_map)',
      'SYMBOL(swapper_pg_dir)',
      'SYMBOL(_stext)',
      'SYMBOL(vmap_area_list)',
    ]);
    expect(keys.slice(-9)).toEqual([
      'NUMBER(phys_base)',
      'SYMBOL(init_top_pgt)',
      'NUMBER(pgtable_l5_enabled)',
      'SYMBOL(node_data)',
      'LENGTH(node_data)',
      'KERNELOFFSET',
      'NUMBER(KERNEL_IMAGE_SIZE)',
      'NUMBER(sme_mask)',
      '',
    ]);
    expect(keys).toHaveLength(110); // 109 lines, as in Debian's 6.1.0-56
  });

  it('keeps VMCOREINFO in guest memory as a note', () => {
    const { pageBytes, tables, vmcoreinfoText } = build({ vmcoreinfo: 'memory' });
    const note = Buffer.from(pageBytes((tables.vmcoreinfoNotePaddr ?? 0) / 4096));
    expect(note.readUInt32LE(4)).toBe(vmcoreinfoText.length);
    expect(note.toString('latin1', 12, 60)).toMatch(/^VMCOREINFO\0\0OSRELEASE=6\.1\.0-smelt\n/);
  });

  it('takes zone counters from the free blocks, or as it is told', () => {
    expect(build({}).zones.map((z) => z.free)).toEqual([0, 3 * 1024 + 32 + 5, 2048]);
    expect(build({ freePages: [7] }).zones.map((z) => z.free)).toEqual([7, 3 * 1024 + 32 + 5, 2048]);
  });

  it('refuses pages that overlap each other or the kernel, or are not aligned or not in RAM', () => {
    const at = (pfn: number, order = 0): PageSpec => ({ pfn, kind: 'buddy', order });
    expect(() => build({ pages: [at(0x2000, 4), at(0x200f)] })).toThrow('overlap');
    expect(() => build({ pages: [at(0x1000)] })).toThrow('overlap');
    expect(() => build({ pages: [at(0x2001, 1)] })).toThrow('not aligned');
    expect(() => build({ pages: [at(0x5000)] })).toThrow('not in RAM');
  });
});

/** A page walk of its own; `entries` collects the raw ones. */
function translate(
  pageBytes: (pfn: number) => Uint8Array,
  root: number,
  vaddr: bigint,
  walkLevels: 4 | 5,
  mask: bigint,
  entries: bigint[] = [],
): number {
  let table = root;
  for (let shift = walkLevels === 5 ? 48 : 39; ; shift -= 9) {
    const index = Number((vaddr >> BigInt(shift)) & 511n);
    const entry = Buffer.from(pageBytes(table / 4096)).readBigUInt64LE(index * 8);
    entries.push(entry);
    if (!(entry & 1n)) throw new Error(`0x${vaddr.toString(16)} is not mapped`);
    const paddr = Number(entry & 0x000ffffffffff000n & ~mask);
    if (shift === 12 || (entry & 0x80n && shift <= 30))
      return paddr + (Number(vaddr & 0x3fffffffn) % 2 ** shift);
    table = paddr;
  }
}
