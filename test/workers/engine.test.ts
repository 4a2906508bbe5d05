import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CODEC_NAMES } from '../../src/codec/codec.ts';
import type { DumpReport } from '../../src/workers/report.ts';
import { vmcoreinfoNote } from '../build/notes.ts';
import type { BuiltVmcore } from '../build/vmcore.ts';
import type { VmcoreOptions } from '../build/vmcore-options.ts';
import { makersHere, noNative } from '../native-parts.ts';
import { FLAG, type ParsedKdump, parseKdump } from '../program/parse-kdump.ts';
import { checkLayout, checkPages, packedPages, trimmed } from './check-dump.ts';
import { buildEveryKind, everyKind } from './every-kind.ts';
import { isOfTestedDisks, runDump, scratch } from './run-dump.ts';

const makers = await makersHere(CODEC_NAMES);

const dir = scratch();
const LEVELS = [0, 1, 2, 4, 8, 16, 31];
const MiB = 2 ** 20;

/** A dump of `core` is all that it should be: pages, classes, header. */
function checkDump(
  dump: ParsedKdump,
  report: DumpReport,
  core: BuiltVmcore,
  level: number,
  options: Partial<VmcoreOptions>,
): void {
  const { expected } = core;
  checkPages(dump, core, expected.kept(level));
  checkLayout(dump, FLAG[report.output.codec ?? 'raw']);
  expect(trimmed(dump.bitmap1)).toEqual(trimmed(expected.ram));

  const { kept, ...dropped } = expected.counts(level);
  expect(report.keptPages).toBe(kept);
  expect(report.classes).toEqual({ ...dropped, shared: 0, undecided: 0, kernel: kept - dropped.zero });
  const sum = Object.values(report.classes).reduce((a, b) => a + b, 0);
  expect(sum + report.absentPages).toBe(report.totalPages);
  expect(report.missingPages).toBe(0);
  expect(report.output.sizeBytes).toBe(dump.file.length);
  const zeros = [...dump.descriptors.values()].filter((d) => d.offset === dump.dataOffset).length;
  expect(report.storedPages).toBe(kept - zeros);
  expect(report.dataBytes).toBe(dump.file.length - dump.dataOffset - 4096);

  expect(dump.maxMapnr).toBe(expected.maxPfn);
  expect(dump.dumpLevel).toBe(level);
  expect(dump.physBase).toBe(BigInt.asUintN(64, options.physBase ?? 0n));
  expect(dump.utsname).toEqual([
    'Linux',
    'smelt',
    `${core.kernel.name}.0-smelt`,
    '#1 SMP PREEMPT_DYNAMIC smelt',
    'x86_64',
    '(none)',
  ]);
  expect(dump.timestamp).toEqual([0n, 0n]);
  expect(dump.nrCpus).toBe(2);
  expect(dump.vmcoreinfo).toBe(core.vmcoreinfoText);
  expect(dump.offsetNote).toBe(4096 + 104);
  expect(dump.notes.subarray(-vmcoreinfoNote(core.vmcoreinfoText).length)).toEqual(
    Buffer.from(vmcoreinfoNote(core.vmcoreinfoText)),
  );
  expect(dump.offsetEraseinfo).toBe(0);
}

/** Page frames of a window, at least: src/filter/plan.ts. */
const WINDOW = 2048;

async function checkLevels(name: string, options: Partial<VmcoreOptions>, levels: readonly number[]) {
  const input = join(dir, `${name}.elf`);
  const core = buildEveryKind({ ...options, path: input });
  for (const level of levels) {
    const output = join(dir, `${name}.${level}`);
    const { report, warnings } = await runDump({ input, output, dumpLevel: level, codec: 'zstd' });
    checkDump(parseKdump(output), report, core, level, options);
    expect(warnings).toEqual([]);
    expect(report.warnings.filter((warning) => !isOfTestedDisks(warning))).toEqual([]);
    expect(report.input).toMatchObject({
      path: input,
      format: 'ELF',
      architecture: 'x86_64',
      release: `${core.kernel.name}.0-smelt`,
      vmcoreinfoFrom: 'note',
      pageTableLevels: options.levels ?? 4,
      smeMask: options.smeMask === undefined ? undefined : `0x${options.smeMask.toString(16)}`,
    });
  }
}

describe('a dump keeps what its level keeps and drops the rest, for Linux', () => {
  // Kernels differ in what makes a page one of a class, which level 31 shows of each; levels in which classes they drop.
  test.each([
    ['4.19', LEVELS],
    ['5.10', [31]],
    ['6.1', [31]],
    ['6.6', [31]],
    ['6.12', LEVELS],
    ['7.3', [0, 31]],
  ] as const)('%s', async (kernel, levels) => {
    await checkLevels(`linux-${kernel}`, { kernel }, levels);
  });
});

describe('a dump is right for a machine with', () => {
  const kaslr = { kernelOffset: 0x1e000000n, physBase: 0n };
  const cases: Record<string, Partial<VmcoreOptions>> = {
    '5-level page tables': { levels: 5, kernel: '6.12' },
    'memory encrypted with bit 47': { smeMask: 1n << 47n },
    'memory encrypted with bit 51': { smeMask: 1n << 51n, kernel: '6.12' },
    'memory encrypted with bit 51, 5 levels and pages shared with the host': {
      smeMask: 1n << 51n,
      levels: 5,
      shared: [{ pfn: 14000, count: 7 }],
      directLeaf: '4k',
      leaf: '4k',
    },
    'a kernel that moved in virtual memory, and phys_base below 0': {
      ...kaslr,
      physBase: -0x1e000000n,
      smeMask: 1n << 47n,
    },
    'a kernel that moved in both memories': { kernelOffset: 0x1000000n, physBase: 0x1000000n },
    'SPARSEMEM without a vmemmap': { memoryModel: 'sparsemem' },
    'a static mem_section': { memoryModel: 'sparsemem-static' },
    FLATMEM: { memoryModel: 'flatmem', kernel: '5.10' },
    'struct pages that are scattered in memory': { leaf: '4k' },
    'huge pages and free blocks that are larger than a window': {
      kernel: '6.12',
      ram: [{ start: 0, end: 192 * MiB }],
      pages: [
        { pfn: 8 * WINDOW, kind: 'hugetlb', order: 13, data: 'text' },
        { pfn: 12 * WINDOW, kind: 'anon', order: 12, data: 'text' },
        { pfn: 14 * WINDOW, kind: 'cache', order: 12, data: 'text' },
        { pfn: 16 * WINDOW, kind: 'buddy', order: 10, count: 3, data: 'text' },
        { pfn: 18 * WINDOW, kind: 'compound', order: 12, data: 'text' },
      ],
      freePages: [0, 3072],
    },
    'several ranges of memory, in mid-page here and there': {
      ram: [
        { start: 0x1000, end: 0x9fc00 },
        { start: MiB, end: 64 * MiB },
        { start: 192 * MiB + 0x800, end: 200 * MiB + 0x1234 },
      ],
    },
  };
  test.each(Object.entries(cases))('%s', async (name, options) => {
    await checkLevels(name.replaceAll(/\W/g, '-'), options, [0, 31]);
  });
});

describe('a dump is right from an ELF file with', () => {
  const cases: Record<string, NonNullable<VmcoreOptions['elf']>> = {
    'program headers far behind': { phoff: 0x500 },
    'its number of program headers in section 0': { pnXnum: true },
    'data at no multiple of the page size': { unaligned: 0x234 },
    'segments in no order': { unsorted: true },
    'a segment of the kernel text that overlaps its memory': { overlap: true },
    'memory at its end that the file does not have': { pfileszShort: 5 },
  };
  const ram = [
    { start: 0x1000, end: 0x9f000 },
    { start: MiB, end: 64 * MiB },
  ];
  test.each(Object.entries(cases))('%s', async (name, elf) => {
    await checkLevels(name.replaceAll(/\W/g, '-'), { elf, ram }, [0, 31]);
  });
});

describe('pages are stored', () => {
  const input = join(dir, 'codecs.elf');
  const core = buildEveryKind({ path: input });

  test('raw without a codec', async () => {
    const output = join(dir, 'codecs.raw');
    const { report } = await runDump({ input, output, dumpLevel: 1 });
    const dump = parseKdump(output);
    checkDump(dump, report, core, 1, {});
    expect(packedPages(dump).packed).toBe(0);
    expect(report.output).toMatchObject({ codec: undefined, codecMaker: undefined });
  });

  test.each(makers)('with %s by the %s maker, and raw where they do not shrink', async (codec, kind) => {
    const output = join(dir, `codecs.${codec}.${kind}`);
    const { report } = await runDump({ input, output, dumpLevel: 1, codec, codecMaker: kind });
    const dump = parseKdump(output);
    checkDump(dump, report, core, 1, {});
    const { own, packed } = packedPages(dump);
    const random = everyKind('6.1').filter(({ data }) => data === 'random');
    expect(packed).toBeGreaterThan(1000);
    expect(own - packed).toBeGreaterThan(random.length);
    for (const { pfn, hwpoison, kind: page } of random) {
      if (hwpoison || page === 'hwpoison' || page === 'offline') continue;
      expect(dump.descriptors.get(pfn)).toMatchObject({ flags: 0, size: 4096 });
    }
    expect(report.output.codecMaker).toContain(`(${kind})`);
  });

  test('the same way through a mapping as through reads', async () => {
    const files: Buffer[] = [];
    for (const mmap of [true, false]) {
      const output = join(dir, `codecs.mmap-${mmap}`);
      const { report } = await runDump({ input, output, dumpLevel: 31, codec: 'zlib', mmap });
      expect(report.mmap).toBe(mmap && noNative === undefined);
      files.push(parseKdump(output).file);
    }
    expect(files[0].equals(files[1])).toBe(true);
  });
});

test('progress begins at 0, only grows, and ends at the whole of each phase', async () => {
  const input = join(dir, 'progress.elf');
  buildEveryKind({ path: input });
  const { progress, report } = await runDump({ input, output: join(dir, 'progress'), dumpLevel: 31 });
  for (const phase of ['classify', 'compress'] as const) {
    const told = progress.filter((p) => p.phase === phase);
    const total = phase === 'classify' ? report.totalPages : report.keptPages;
    expect(told.at(0)).toMatchObject({ donePages: 0, totalPages: total });
    expect(told.at(-1)).toMatchObject({ donePages: total, totalPages: total });
    const done = told.map((p) => p.donePages);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
  }
  expect(report.phases.map((p) => [p.phase, p.pages])).toEqual([
    ['classify', report.totalPages],
    ['compress', report.keptPages],
  ]);
});
