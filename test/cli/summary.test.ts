import { describe, expect, test } from 'vitest';
import { inputLine, summary } from '../../src/cli/summary.ts';
import { PAGE_CLASSES } from '../../src/filter/page-class.ts';
import { sampleInput, sampleReport } from './fake-host.ts';

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));
const none = Object.fromEntries(PAGE_CLASSES.map((name) => [name, 0])) as ReturnType<
  typeof sampleReport
>['classes'];

describe('the line about the input', () => {
  test('names the file, its format, its memory, its kernel and what is unusual', () => {
    expect(inputLine(sampleInput(), Number.POSITIVE_INFINITY)).toMatchInlineSnapshot(
      `"vmcore  ELF, 4.0 GiB of RAM, Linux 6.12.117 x86_64, 5-level paging, encrypted memory (bit 51)"`,
    );
  });

  test('says who knows the encryption bit, if it is not VMCOREINFO', () => {
    expect(inputLine(sampleInput({ smeMaskFrom: 'page tables' }), 500)).toMatch(
      /encrypted memory \(bit 51, by the top-level page table\)$/,
    );
    expect(inputLine(sampleInput({ smeMaskFrom: 'option' }), 500)).toMatch(
      /encrypted memory \(bit 51, by --sme-mask\)$/,
    );
  });

  test('leaves out what is usual', () => {
    const usual = sampleInput({ pageTableLevels: 4, smeMask: undefined, smeMaskBit: undefined });
    expect(inputLine(usual, 80)).toMatchInlineSnapshot(
      `"vmcore  ELF, 4.0 GiB of RAM, Linux 6.12.117 x86_64"`,
    );
  });

  test('tells where VMCOREINFO came from when it was not a note, and of an earlier filter', () => {
    const line = (change: Parameters<typeof sampleInput>[0]): string =>
      inputLine(
        sampleInput({ pageTableLevels: 4, smeMask: undefined, smeMaskBit: undefined, ...change }),
        500,
      );
    expect(line({ vmcoreinfoFrom: undefined, release: undefined })).toMatchInlineSnapshot(
      `"vmcore  ELF, 4.0 GiB of RAM, x86_64, no VMCOREINFO"`,
    );
    expect(
      line({ vmcoreinfoFrom: 'memory scan', format: 'kdump-compressed', dumpLevel: 31 }),
    ).toMatchInlineSnapshot(
      `"vmcore  kdump-compressed, 4.0 GiB of RAM, Linux 6.12.117 x86_64, VMCOREINFO found by searching the memory, already filtered at level 31"`,
    );
    expect(line({ vmcoreinfoFrom: 'file', ramBytes: 0 })).toMatchInlineSnapshot(
      `"vmcore  ELF, 0 B of RAM, Linux 6.12.117 x86_64, VMCOREINFO from a file"`,
    );
  });

  test('tells that it is flattened, and in how many parts', () => {
    const line = inputLine(sampleInput({ flattened: true, moreParts: ['b', 'c'] }), 500);
    expect(line).toContain('vmcore  ELF, flattened, in 3 parts, 4.0 GiB of RAM');
  });

  test('is wrapped between its facts on a terminal', () => {
    expect(inputLine(sampleInput({ path: '/var/crash/vmcore' }), 80)).toMatchInlineSnapshot(`
      "/var/crash/vmcore  ELF, 4.0 GiB of RAM, Linux 6.12.117 x86_64, 5-level paging,
          encrypted memory (bit 51)"
    `);
  });

  test('cannot steer the terminal', () => {
    expect(inputLine(sampleInput({ path: 'a\x1b[2J', release: '6.1\r\n\x07' }), 500)).toMatch(/^[ -~]*$/);
  });
});

describe('the summary', () => {
  test('tells what was kept and dropped at level 31', () => {
    expect(`\n${summary(sampleReport())}\n`).toMatchInlineSnapshot(`
      "
      dump complete: dump
        31.2 MB of 4.0 GiB of RAM (0.7 %), dump level 31, 0.4 s

        kept      kernel         38,678 pages  151.1 MiB
                  undecided           0
        dropped   free          864,842 pages    3.3 GiB  kernel's own count: 864,842
                  page cache     93,100        363.7 MiB
                  private cache       0
                  user           27,311        106.7 MiB
                  zero           24,645         96.3 MiB  one stands for all
                  offline             0

        codec     zstd level 1, libzstd 1.5.4 (native): 151.1 MiB in 30.4 MB, 5.2 to 1
        classify  1,048,576 pages in 0.01 s, 87.4 M pages/s
        compress  63,323 pages in 0.4 s, 683 MB/s
        run       2 threads, input read, at most 97.3 MiB of memory
      "
    `);
  });

  test('says that nothing is dropped at level 0', () => {
    const { output } = sampleReport();
    const report = sampleReport({
      output: {
        ...output,
        dumpLevel: 0,
        codec: undefined,
        compressionLevel: undefined,
        codecMaker: undefined,
        sizeBytes: 4.3e9,
        storedBytes: 4.3e9,
      },
      classes: { ...none, kernel: 1_048_576 },
      keptPages: 1_048_576,
      storedPages: 1_048_576,
      dataBytes: 2 ** 32,
      kernelFreePages: undefined,
      threads: 0,
      mmap: true,
      phases: [{ phase: 'compress', pages: 1_048_576, ms: 4100 }],
      totalMs: 4200,
    });
    expect(`\n${summary(report)}\n`).toMatchInlineSnapshot(`
      "
      dump complete: dump
        4.3 GB of 4.0 GiB of RAM (100.1 %), dump level 0, 4.2 s

        kept      all kinds 1,048,576 pages  4.0 GiB
                  undecided         0
        dropped   nothing

        codec     none: 1,048,576 pages, 4.0 GiB
        compress  1,048,576 pages in 4.1 s, 1.0 GB/s
        run       0 threads, input mapped, at most 97.3 MiB of memory
      "
    `);
  });

  test('keeps the classes that the level keeps, and tells of everything unusual', () => {
    const report = sampleReport({
      output: {
        ...sampleReport().output,
        dumpLevel: 17,
        codec: 'lzo',
        compressionLevel: undefined,
        codecMaker: 'liblzo2 2.10 (native)',
      },
      classes: {
        ...none,
        kernel: 1,
        undecided: 12,
        cache: 5000,
        cachePrivate: 300,
        user: 70_000,
        zero: 1,
        free: 9,
        hwpoison: 2,
        offline: 3,
      },
      absentPages: 1,
      missingPages: 4,
      kernelFreePages: 8,
      threads: 1,
    });
    expect(`\n${summary(report)}\n`).toMatchInlineSnapshot(`
      "
      dump incomplete: dump
        31.2 MB of 4.0 GiB of RAM (0.7 %), dump level 17, 0.4 s

        kept      all else           1 page     4.0 KiB
                  undecided         12         48.0 KiB
                  page cache     5,000         19.5 MiB
                  private cache    300          1.2 MiB
                  user          70,000        273.4 MiB
        dropped   free               9 pages   36.0 KiB  kernel's own count: 8
                  zero               1          4.0 KiB  one stands for all
                  hwpoison           2          8.0 KiB
                  offline            3         12.0 KiB
        absent                       1 page     4.0 KiB  not in the input
        missing                      4 pages   16.0 KiB  could not be read

        codec     lzo, liblzo2 2.10 (native): 151.1 MiB in 30.4 MB, 5.2 to 1
        classify  1,048,576 pages in 0.01 s, 87.4 M pages/s
        compress  63,323 pages in 0.4 s, 683 MB/s
        run       1 thread, input read, at most 97.3 MiB of memory
      "
    `);
  });

  test('drops all page cache by bit 4 alone and only the plain one by bit 2', () => {
    const rows = (dumpLevel: number): string =>
      summary(
        sampleReport({
          output: { ...sampleReport().output, dumpLevel },
          classes: { ...none, cache: 5, cachePrivate: 7 },
        }),
      )
        .split('\n')
        .filter((line) => /kept|dropped|cache/.test(line))
        .map((line) => line.trim().replace(/ +/g, ' '))
        .join('; ');
    expect(rows(2)).toMatchInlineSnapshot(
      `"kept all else 0 pages; private cache 7 28.0 KiB; dropped page cache 5 pages 20.0 KiB"`,
    );
    expect(rows(4)).toMatchInlineSnapshot(
      `"kept all else 0 pages; dropped page cache 5 pages 20.0 KiB; private cache 7 28.0 KiB"`,
    );
  });

  test('is right for one page', () => {
    const report = sampleReport({
      input: sampleInput({ ramBytes: 4096 }),
      output: { ...sampleReport().output, sizeBytes: 20_480, storedBytes: 20_480 },
      totalPages: 1,
      classes: { ...none, kernel: 1 },
      storedPages: 1,
      dataBytes: 900,
      kernelFreePages: 0,
      phases: [
        { phase: 'classify', pages: 1, ms: 0 },
        { phase: 'compress', pages: 1, ms: 0.4 },
      ],
      totalMs: 3,
    });
    expect(`\n${summary(report)}\n`).toMatchInlineSnapshot(`
      "
      dump complete: dump
        20.5 kB of 4.0 KiB of RAM (500.0 %), dump level 31, <0.01 s

        kept      kernel        1 page   4.0 KiB
                  undecided     0
        dropped   free          0 pages           kernel's own count: 0
                  page cache    0
                  private cache 0
                  user          0
                  zero          0
                  offline       0

        codec     zstd level 1, libzstd 1.5.4 (native): 4.0 KiB in 900 B, 4.6 to 1
        classify  1 page in <0.01 s
        compress  1 page in <0.01 s
        run       2 threads, input read, at most 97.3 MiB of memory
      "
    `);
  });

  test('is right for 16 TiB in 80 columns', () => {
    const total = 2 ** 32;
    const report = sampleReport({
      input: sampleInput({ ramBytes: 2 ** 44 }),
      output: { ...sampleReport().output, sizeBytes: 412_345_678_901, storedBytes: 412_345_678_901 },
      totalPages: total,
      classes: {
        ...none,
        kernel: 600_000_000,
        user: 300_000_000,
        cache: 94_967_296,
        zero: 100_000_000,
        free: 3_200_000_000,
      },
      storedPages: 600_000_001,
      dataBytes: 411_000_000_000,
      kernelFreePages: 3_200_000_017,
      threads: 256,
      phases: [
        { phase: 'classify', pages: total, ms: 13_000 },
        { phase: 'compress', pages: 700_000_000, ms: 3_900_000 },
      ],
      totalMs: 3_913_000,
      peakRssBytes: 2 ** 31,
    });
    expect(`\n${summary(report)}\n`).toMatchInlineSnapshot(`
      "
      dump complete: dump
        412.3 GB of 16.0 TiB of RAM (2.3 %), dump level 31, 1 h 5 min

        kept      kernel          600,000,000 pages    2.2 TiB
                  undecided                 0
        dropped   free          3,200,000,000 pages   11.9 TiB
                                kernel's own count: 3,200,000,017
                  page cache       94,967,296        362.3 GiB
                  private cache             0
                  user            300,000,000          1.1 TiB
                  zero            100,000,000        381.5 GiB  one stands for all
                  offline                   0

        codec     zstd level 1, libzstd 1.5.4 (native): 2.2 TiB in 411.0 GB, 6.0 to 1
        classify  4,294,967,296 pages in 13.0 s, 330.4 M pages/s
        compress  700,000,000 pages in 1 h 5 min, 735 MB/s
        run       256 threads, input read, at most 2.0 GiB of memory
      "
    `);
    expect(widest(summary(report))).toBeLessThanOrEqual(80);
  });

  test('says how long a file with holes is, and counts what it stores', () => {
    const { output } = sampleReport();
    const raw = { ...output, format: 'raw' as const, codec: undefined, sizeBytes: 68_000_000_000 };
    const lines = summary(sampleReport({ output: raw })).split('\n');
    expect(lines.slice(1, 3)).toEqual([
      '  31.2 MB of 4.0 GiB of RAM (0.7 %), dump level 31, 0.4 s',
      '  in a file 68.0 GB long, the rest of which takes no room on the disk',
    ]);
    const dry = summary(sampleReport({ output: { ...raw, estimated: true } }));
    expect(dry).toContain('in a file 68.0 GB long');
    // What does not fill its last block is no hole.
    expect(summary(sampleReport({ output: { ...raw, storedBytes: 67_900_000_000 } }))).not.toContain(' long');
  });

  test('names all files that a dry run would write', () => {
    const { output } = sampleReport();
    const files = ['a', 'b', 'c'].map((path) => ({ path, sizeBytes: 10_400_000 }));
    const lines = (some: typeof files) =>
      summary(sampleReport({ output: { ...output, path: 'a', files: some, estimated: true } })).split('\n');
    expect(lines(files)[0]).toBe('dry run: nothing was written to a, b and c');
    expect(lines(files.slice(0, 1))[0]).toBe('dry run: nothing was written to a');
  });

  test('says which numbers of a dry run are estimated', () => {
    const { output } = sampleReport();
    const report = sampleReport({ output: { ...output, path: undefined, files: [], estimated: true } });
    expect(`\n${summary(report)}\n`).toMatchInlineSnapshot(`
      "
      dry run: nothing was written
        about 31.2 MB of 4.0 GiB of RAM (0.7 %), dump level 31, 0.4 s
        sizes and what is marked are estimated from a sample; other counts are exact

        kept      kernel         38,678 pages  151.1 MiB  estimated
                  undecided           0
        dropped   free          864,842 pages    3.3 GiB  kernel's own count: 864,842
                  page cache     93,100        363.7 MiB
                  private cache       0
                  user           27,311        106.7 MiB
                  zero           24,645         96.3 MiB  estimated
                  offline             0

        codec     zstd level 1, libzstd 1.5.4 (native): 151.1 MiB in 30.4 MB, 5.2 to 1
        classify  1,048,576 pages in 0.01 s, 87.4 M pages/s
        compress  63,323 pages in 0.4 s, 683 MB/s
        run       2 threads, input read, at most 97.3 MiB of memory
      "
    `);
    const counted = sampleReport({ output: { ...output, estimated: true, dumpLevel: 16 } });
    expect(summary(counted).match(/.*estimated.*/g)).toEqual([
      '  sizes are estimated from a sample; counts of pages are exact',
    ]);
  });

  test('says it where fewer threads worked than were asked for', () => {
    const run = (threads: number, asked: number | undefined) =>
      /run +(.*), input/.exec(summary(sampleReport({ threads }), asked))?.[1];
    expect(run(33, 1000)).toBe('33 threads (1,000 asked for)');
    expect(run(1, 2)).toBe('1 thread (2 asked for)');
    expect([run(2, 2), run(1, 0), run(2, undefined)]).toEqual(['2 threads', '1 thread', '2 threads']);
  });

  test('does not divide by an empty input', () => {
    const report = sampleReport({
      input: sampleInput({ ramBytes: 0 }),
      classes: none,
      totalPages: 0,
      storedPages: 0,
      dataBytes: 0,
      phases: [],
    });
    expect(summary(report)).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe('what was shared of encrypted memory', () => {
  const census = (change: object) =>
    sampleReport({
      census: {
        meaning: 'encrypted',
        bit: 51,
        pages: { memory: 10, encrypted: 5, shared: 1_657, plain: 0, both: 0, unmapped: 0 },
        leaves: [],
        tables: [],
        regions: [],
        oddities: { missingTables: 0, aliases: 0, tablesAtTwoLevels: 0, beyondLimit: 0, badAddresses: 0 },
        leftOut: 0,
        technology: undefined,
        shared: [
          { use: 'swiotlb', pages: 1_024 },
          { use: undefined, pages: 633 },
        ],
        sharedRanges: [],
        sharedRangeCount: undefined,
        ...change,
      },
    });

  test('is told with what it was for, and the command that says more in one piece', () => {
    const lines = summary(census({})).split('\n');
    expect(lines).toContain('  shared    1,657 pages were decrypted in the crashed kernel (swiotlb 1,024):');
    expect(lines).toContain('            `smelt sme vmcore`');
    expect(widest(lines.join('\n'))).toBeLessThanOrEqual(80);
  });

  test('is none, or nothing is said where there is no encryption', () => {
    const pages = { memory: 10, encrypted: 5, shared: 0, plain: 0, both: 0, unmapped: 0 };
    expect(summary(census({ pages, shared: [] }))).toContain(
      '  shared    no page was decrypted in the crashed kernel\n',
    );
    expect(summary(census({ meaning: 'none' }))).not.toContain('shared ');
    expect(summary(sampleReport())).not.toContain('shared ');
  });

  test('has a row of its own where it is left out', () => {
    const text = summary(sampleReport({ classes: { ...none, kernel: 5, shared: 520 } }));
    expect(text).toMatch(/^ {12}shared +520 +2\.0 MiB$/m);
  });
});

describe('the log that was saved before', () => {
  test('is told with its place and size', () => {
    const log = {
      path: '/crash/log',
      records: 407,
      lostRecords: 0,
      sizeBytes: 30_500,
      targetProtection: undefined,
    };
    expect(summary(sampleReport({ log }))).toMatch(/^ {2}log {7}\/crash\/log: 407 records, 30\.5 kB$/m);
    expect(summary(sampleReport({ log: { ...log, records: 1 } }))).toContain('/crash/log: 1 record, ');
    expect(summary(sampleReport())).not.toContain('  log');
  });
});

describe('an encrypted target', () => {
  test('is told with what encrypts it; one that is not has a warning instead', () => {
    const why = 'luks-data encrypts all that is written to /var/crash/dump';
    const told = (encrypted: 'all legs' | 'none') =>
      summary(sampleReport({ targetProtection: { encrypted, why } }));
    expect(told('all legs')).toContain(`  target    encrypted: ${why}\n`);
    expect(told('none')).not.toContain('  target ');
  });
});
