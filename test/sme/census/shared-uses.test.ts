/** What shared page frames are, by symbols and what stands at them; only what is shared gets a name. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameSet } from '../../../src/sme/census/frame-set.ts';
import { nameShared } from '../../../src/sme/census/shared-uses.ts';
import { x86_64 } from './census-of.ts';
import { DIRECT, IMAGE, KernelMemory } from './kernel-memory.ts';

const MIB = 2 ** 20;
const LIMIT = (64 * MIB) / 4096;
const AT = IMAGE + 0x2000n;

const setOf = (...runs: readonly [number, number][]) => {
  const set = new FrameSet(LIMIT);
  for (const [from, to] of runs) set.add(from, to - from);
  return set;
};
const ALL = setOf([0, LIMIT]);

function named(kernel: KernelMemory, symbols: Readonly<Record<string, bigint>>, shared: FrameSet) {
  const sources = {
    arch: x86_64,
    info: kernel.info(),
    symbols: new Map(Object.entries(symbols)),
    walker: kernel.walker(),
    memory: kernel.memory,
    pageSize: 4096,
  };
  return nameShared(shared, sources).map(({ use, frames }) => ({ use, runs: [...frames.runs()] }));
}

const rest = (...runs: [number, number][]) => ({ use: undefined, runs });

describe('.bss..decrypted', () => {
  const symbols = {
    __start_bss_decrypted: IMAGE + 0x20_0000n,
    __start_bss_decrypted_unused: IMAGE + 0x20_3000n,
    __end_bss_decrypted: IMAGE + 0x40_0000n,
  };

  it('is what of it is in use and shared', () => {
    expect(named(new KernelMemory(), symbols, setOf([0x1201, 0x1205]))).toEqual([
      { use: 'bss..decrypted', runs: [[0x1201, 0x1203]] },
      rest([0x1203, 0x1205]),
    ]);
  });

  it('is all of it where no part is marked as unused', () => {
    const { __start_bss_decrypted_unused: _, ...whole } = symbols;
    expect(named(new KernelMemory(), whole, ALL)[0]).toEqual({
      use: 'bss..decrypted',
      runs: [[0x1200, 0x1400]],
    });
  });

  it('has no name where it is empty, ends before it begins, or lies outside of the image', () => {
    for (const wrong of [
      { ...symbols, __start_bss_decrypted_unused: symbols.__start_bss_decrypted },
      { ...symbols, __start_bss_decrypted_unused: IMAGE },
      { ...symbols, __start_bss_decrypted: DIRECT },
      { __start_bss_decrypted: IMAGE },
    ])
      expect(named(new KernelMemory(), wrong, ALL)).toEqual([rest([0, LIMIT])]);
  });
});

describe('the swiotlb pool', () => {
  const pool = (start: bigint, end: bigint) => new KernelMemory().u64(AT, start).u64(AT + 8n, end);

  it.each([
    ['at the beginning of io_tlb_default_mem', { io_tlb_default_mem: AT }],
    ['in the structure that io_tlb_default_mem points to', { io_tlb_default_mem: AT + 0x100n }],
    ['in io_tlb_start and io_tlb_end', { io_tlb_start: AT, io_tlb_end: AT + 8n }],
  ])('is found %s', (_, symbols) => {
    const kernel = pool(0x200_0000n, 0x300_0000n).u64(AT + 0x100n, AT);
    expect(named(kernel, symbols, ALL)).toEqual([
      { use: 'swiotlb', runs: [[0x2000, 0x3000]] },
      rest([0, 0x2000], [0x3000, LIMIT]),
    ]);
  });

  it.each([
    ['is empty', 0n, 0n],
    ['ends before it begins', 0x300_0000n, 0x200_0000n],
    ['is not aligned', 0x200_0800n, 0x300_0000n],
    ['ends inside of a page', 0x200_0000n, 0x300_0008n],
    ['begins outside of memory', 0x4000_0000n, 0x4100_0000n],
    ['ends outside of memory', 0x200_0000n, 0x500_0000n],
    ['is larger than any', 0n, 1n << 40n],
    ['has addresses that are none', 0x200_0000n, 1n << 62n],
  ])('is not believed where it %s', (_, start, end) => {
    expect(named(pool(start, end), { io_tlb_default_mem: AT }, ALL)).toEqual([rest([0, LIMIT])]);
  });

  it('is not believed where a symbol is missing or leads nowhere', () => {
    const kernel = pool(0x200_0000n, 0x300_0000n);
    for (const symbols of [
      { io_tlb_start: AT },
      { io_tlb_end: AT + 8n },
      { io_tlb_default_mem: 0xffffffff00000000n },
    ])
      expect(named(kernel, symbols as Record<string, bigint>, ALL)).toEqual([rest([0, LIMIT])]);
  });
});

describe('the GHCBs', () => {
  const OFFSETS = IMAGE + 0x3000n;
  const VARIABLE = 0x1a040n;
  /** One CPU each: the area at 32 MiB + 1 MiB × cpu, and what its variable points to. */
  function cpus(pointers: readonly (bigint | undefined)[], variable = VARIABLE): KernelMemory {
    const kernel = new KernelMemory();
    for (const [cpu, pointer] of pointers.entries()) {
      const area = DIRECT + BigInt(32 * MIB + cpu * MIB);
      kernel.u64(OFFSETS + BigInt(cpu * 8), BigInt.asUintN(64, area - (variable - VARIABLE)));
      if (pointer !== undefined) kernel.u64(area + VARIABLE, pointer);
    }
    return kernel;
  }
  const symbols = { runtime_data: VARIABLE, __per_cpu_offset: OFFSETS };
  const [FIRST, SECOND] = [0x2345, 0x2400];
  const pointer = (pfn: number) => DIRECT + BigInt(pfn * 4096);

  it('are the first pages of what each CPU points to', () => {
    const kernel = cpus([pointer(FIRST), undefined, pointer(SECOND)]);
    expect(named(kernel, symbols, setOf([FIRST, FIRST + 2], [SECOND, SECOND + 1]))).toEqual([
      {
        use: 'GHCB',
        runs: [
          [FIRST, FIRST + 1],
          [SECOND, SECOND + 1],
        ],
      },
      rest([FIRST + 1, FIRST + 2]),
    ]);
  });

  it('are found where the variable has an address in the image (as in Linux 7.3), too', () => {
    const variable = IMAGE + 0x5000n;
    const kernel = cpus([pointer(FIRST)], variable);
    expect(named(kernel, { ...symbols, runtime_data: variable }, setOf([FIRST, FIRST + 1]))).toEqual([
      { use: 'GHCB', runs: [[FIRST, FIRST + 1]] },
    ]);
  });

  it('are not believed where the page is not shared, not the beginning of one, or not mapped', () => {
    for (const wrong of [pointer(FIRST), pointer(SECOND) + 8n, 0n, 0xffffffff00000000n])
      expect(named(cpus([wrong]), symbols, setOf([SECOND, SECOND + 1]))).toEqual([
        rest([SECOND, SECOND + 1]),
      ]);
  });

  it('are looked for at as many CPUs as a kernel can have, and no further', () => {
    const kernel = cpus([]);
    let reads = 0;
    const walker = kernel.walker();
    // All CPUs point to the same page: it has a name once.
    const readU64: typeof walker.readU64 = (vaddr) => {
      reads++;
      return vaddr >= OFFSETS && vaddr < OFFSETS + 0x100_0000n ? 0n : pointer(FIRST);
    };
    const endless = Object.assign(Object.create(walker), { readU64 });
    const sources = {
      arch: x86_64,
      info: kernel.info(),
      symbols: new Map(Object.entries(symbols)),
      walker: endless,
      memory: kernel.memory,
      pageSize: 4096,
    };
    const parts = nameShared(setOf([FIRST, FIRST + 1]), sources);
    expect(parts.map(({ use, frames }) => [use, frames.count])).toEqual([['GHCB', 1]]);
    expect(reads).toBe(2 * 8192);
  });

  it('are not looked for where nothing is shared', () => {
    expect(named(cpus([pointer(FIRST)]), symbols, setOf())).toEqual([]);
  });
});

describe('the parts', () => {
  it('are apart from each other and add up to what is shared, whatever the memory says', () => {
    const word = fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.nat(LIMIT).map((pfn) => BigInt(pfn) * 4096n),
      fc.nat(LIMIT).map((pfn) => DIRECT + BigInt(pfn) * 4096n),
    );
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 8 }),
        fc.array(fc.tuple(fc.nat(LIMIT - 1), fc.integer({ min: 1, max: 3000 })), { maxLength: 4 }),
        fc.array(fc.nat(0xff_f000), { minLength: 9, maxLength: 9 }),
        (words, runs, places) => {
          const kernel = new KernelMemory();
          for (let i = 0; i < 512 * 32; i++) kernel.u64(IMAGE + BigInt(i * 8), words[i % words.length]);
          const symbols = Object.fromEntries(
            [
              '__start_bss_decrypted',
              '__start_bss_decrypted_unused',
              '__end_bss_decrypted',
              'io_tlb_default_mem',
              'runtime_data',
              '__per_cpu_offset',
            ].map((name, i) => [name, IMAGE + BigInt(places[i] % 0x1f000)]),
          );
          const shared = setOf(...runs.map(([pfn, count]) => [pfn, pfn + count] as [number, number]));
          const parts = named(kernel, symbols, shared);
          const together = new FrameSet(LIMIT);
          let count = 0;
          for (const part of parts) {
            for (const [from, to] of part.runs) {
              together.add(from, to - from);
              count += to - from;
            }
          }
          expect(count).toBe(shared.count);
          expect([...together.runs()]).toEqual([...shared.runs()]);
        },
      ),
      { numRuns: 30 },
    );
  });
});
