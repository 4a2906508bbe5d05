/** `smelt sme` on the command line: what it refuses, what it prints, and its exit codes. */
import { describe, expect, test } from 'vitest';
import type { SmeEngine } from '../../src/cli/host.ts';
import { run } from '../../src/cli/main.ts';
import { parseSme } from '../../src/cli/sme-args.ts';
import { smeText } from '../../src/cli/sme-text.ts';
import { tokenise } from '../../src/cli/tokens.ts';
import { SmeltError } from '../../src/errors.ts';
import { lookAtMachine } from '../../src/sme/live/live.ts';
import type { CensusReport, SmeReport, SmeRequest } from '../../src/workers/report.ts';
import { fakeHost, sampleInput, sampleVerdict } from './fake-host.ts';

const parse = (line: string) => parseSme(tokenise(line.split(' ').filter(Boolean)));

function sampleCensus(change: Partial<CensusReport> = {}): CensusReport {
  return {
    meaning: 'encrypted',
    bit: 51,
    pages: { memory: 1_048_576, encrypted: 1_046_019, shared: 1_657, plain: 0, both: 3, unmapped: 903 },
    leaves: [
      { bytesShift: 12, withBit: 15_011, withoutBit: 633 },
      { bytesShift: 21, withBit: 1_502, withoutBit: 2 },
      { bytesShift: 30, withBit: 0, withoutBit: 0 },
    ],
    tables: [
      { level: 1, withBit: 31, withoutBit: 0 },
      { level: 2, withBit: 9, withoutBit: 0 },
    ],
    regions: [
      { name: 'direct map', withBit: 1_046_019, withoutBit: 1_654, outside: 0 },
      { name: 'image', withBit: 8_189, withoutBit: 3, outside: 0 },
      { name: 'vmalloc', withBit: 0, withoutBit: 0, outside: 12 },
    ],
    oddities: { missingTables: 2, aliases: 514, tablesAtTwoLevels: 0, beyondLimit: 0, badAddresses: 0 },
    leftOut: 0,
    technology: { features: ['SEV', 'SEV-ES'], from: 'kernel log' },
    shared: [
      { use: 'bss..decrypted', pages: 3 },
      { use: 'swiotlb', pages: 1_024 },
      { use: undefined, pages: 630 },
    ],
    sharedRanges: [
      { pfn: 0x1000, count: 3, use: 'bss..decrypted', classes: { kernel: 3 } },
      { pfn: 0x7bc00, count: 1_024, use: 'swiotlb', classes: { kernel: 1_024 } },
      { pfn: 0x90000, count: 630, use: undefined, classes: { kernel: 12, free: 618 } },
    ],
    sharedRangeCount: 3,
    ...change,
  };
}

function sampleReport(change: Partial<SmeReport> = {}): SmeReport {
  return {
    input: sampleInput(),
    verdict: sampleVerdict(),
    census: sampleCensus(),
    noCensus: undefined,
    pagesFile: undefined,
    threads: 2,
    phases: [{ phase: 'census', pages: 31, ms: 3 }],
    totalMs: 400,
    peakRssBytes: 70 * 2 ** 20,
    warnings: [],
    ...change,
  };
}

async function smelt(line: string, sme: SmeEngine, live = lookAtMachine) {
  const host = fakeHost({ sme, live });
  const code = await run(line.split(' '), host);
  return { code, stdout: host.stdout.text, stderr: host.stderr.text };
}

const telling =
  (report: SmeReport): SmeEngine =>
  async (_request, observer) => {
    observer.onInput(report.input);
    return report;
  };

describe('the command line of smelt sme', () => {
  test('is a dump, or a machine', () => {
    expect(parse('vmcore --pages p -f --num-threads 3 --sme-mask 0x800000000000 -i info')).toEqual({
      request: {
        input: 'vmcore',
        threads: 3,
        mmap: undefined,
        smeMask: 1n << 47n,
        vmcoreinfoFile: 'info',
        pagesFile: 'p',
        overwrite: true,
      } satisfies SmeRequest,
    });
    expect(parse('a b c')).toMatchObject({ request: { input: 'a', moreParts: ['b', 'c'] } });
    expect(parse('--live')).toEqual({ live: '/' });
    expect(parse('--live --root /sos')).toEqual({ live: '/sos' });
  });

  test.each([
    ['', 'VMCORE is missing'],
    ['--live a', '--live looks at this machine, and at no VMCORE'],
    ['--live --pages p', '--pages means nothing with --live'],
    ['--live -f', '-f means nothing with --live'],
    ['a --root /', '--root means nothing without --live'],
    ['a -f', '-f means nothing without --pages'],
    ['a -d 31', '--dump-level is no option of smelt sme but of smelt dump, convert and bench'],
  ])('%j is refused', (line, message) => {
    let thrown: unknown;
    try {
      parse(line);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(SmeltError);
    expect(thrown).toMatchObject({ code: 'USAGE', message });
  });
});

describe('what smelt sme prints', () => {
  test('is the census on a screen', () => {
    const lines = smeText(sampleReport());
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(`\n${lines.join('\n')}\n`).toMatchInlineSnapshot(`
      "
      SEV SEV-ES (says the kernel log); encryption bit 51, says VMCOREINFO.
      The memory was read through the right mapping.

        frames    encrypted      1,046,019 pages     4.0 GiB
                  shared             1,657           6.5 MiB
                  both ways              3          12.0 KiB  counted above as well
                  not mapped           903           3.5 MiB
        shared    bss..decrypted         3 pages    12.0 KiB
                  swiotlb            1,024           4.0 MiB
                  use not known        630           2.5 MiB

                                 with the bit        without
        leaves    4 KiB                15,011            633
                  2 MiB                 1,502              2
        tables    level 1                  31              0
                  level 2                   9              0
        regions   direct map        1,046,019          1,654 pages
                  image                 8,189              3 pages
        odd       2 tables that are not in the dump

        shared from physical address
               0x1000000      3 pages  bss..decrypted, kernel
              0x7bc00000  1,024 pages  swiotlb, kernel
              0x90000000    630 pages  free 618, kernel 12

        run       31 lowest tables, 2 threads, 0.4 s, at most 70.0 MiB of memory
      "
    `);
  });

  test('says what a bit of TDX does not say', () => {
    const pages = { memory: 100, encrypted: 0, shared: 10, plain: 90, both: 0, unmapped: 0 };
    const tdx = sampleCensus({
      meaning: 'shared',
      bit: 47,
      pages,
      technology: undefined,
      shared: [],
      sharedRanges: [],
    });
    const text = smeText(sampleReport({ census: tdx })).join('\n');
    expect(text).toMatch(/bit 47 marks shared pages, and what is encrypted the\npage tables do not say/);
    expect(text).not.toMatch(/frames +encrypted/);
    expect(text).toMatch(/private +90/);
  });

  test('does not speak of encryption where there is none', () => {
    const pages = { memory: 100, encrypted: 0, shared: 0, plain: 99, both: 0, unmapped: 1 };
    const none = sampleCensus({
      meaning: 'none',
      bit: undefined,
      pages,
      technology: undefined,
      shared: [],
      sharedRanges: [],
    });
    const text = smeText(sampleReport({ census: none })).join('\n');
    expect(text).toMatch(/^No entry of the page tables has an encryption bit\.$/m);
    expect(text).toMatch(/mapped +99 pages/);
    expect(text).not.toContain('with the bit');
  });

  test('is one object with --json', async () => {
    const { code, stdout } = await smelt('sme vmcore --json', telling(sampleReport()));
    expect(code).toBe(0);
    const { command, report } = JSON.parse(stdout);
    expect(command).toBe('sme');
    expect(report.census.shared[2]).toEqual({ use: null, pages: 630 });
  });

  test('shows at most 16 ranges, the largest', () => {
    const sharedRanges = Array.from({ length: 40 }, (_, i) => ({
      pfn: 2 * i,
      count: i + 1,
      use: undefined,
      classes: undefined,
    }));
    const lines = smeText(sampleReport({ census: sampleCensus({ sharedRanges, sharedRangeCount: 12_345 }) }));
    expect(lines.filter((line) => /0x[0-9a-f]+ +\d+ page/.test(line))).toHaveLength(16);
    expect(lines.join('\n')).toContain('12,329 smaller ranges more: --json has the largest 10,000');
  });
});

describe('the exit code of smelt sme', () => {
  test('is 0 for a dump that can be read', async () => {
    expect(await smelt('sme vmcore', telling(sampleReport()))).toMatchObject({ code: 0 });
    const unknown = sampleReport({
      verdict: sampleVerdict({ outcome: 'unknown', sentence: 'nothing is proven' }),
    });
    expect(await smelt('sme vmcore', telling(unknown))).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nothing is proven'),
    });
  });

  test('is 1 for ciphertext, with what to do, and where no tables are', async () => {
    const hint = 'The key is gone after a power cycle.';
    const verdict = sampleVerdict({ outcome: 'ciphertext', sentence: 'vmcore: is ciphertext', hint });
    const { code, stdout } = await smelt('sme vmcore', telling(sampleReport({ verdict, census: undefined })));
    expect(code).toBe(1);
    expect(stdout).toContain(hint);
    expect(await smelt('sme vmcore', telling(sampleReport({ census: undefined })))).toMatchObject({
      code: 1,
    });
  });

  test('is that of the failure', async () => {
    const engine: SmeEngine = async () => {
      throw new SmeltError('NOT_A_DUMP', 'vmcore: is no dump');
    };
    expect(await smelt('sme vmcore', engine)).toMatchObject({
      code: 1,
      stderr: 'smelt: vmcore: is no dump\n',
    });
  });

  test('of --live says whether a dump would be readable', async () => {
    const never: SmeEngine = () => Promise.reject(new Error('not asked'));
    const good = await smelt('sme --live --root test/sme/live/trees/epyc-rhel', never);
    expect(good).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('would leave a dump that can be read'),
    });
    const bad = await smelt('sme --live --root test/sme/live/trees/snp-ubuntu', never);
    expect(bad).toMatchObject({ code: 1, stdout: expect.stringMatching(/not known|no dump/) });
    const none = await smelt('sme --live --root no/such/directory', never);
    expect(none.code).toBe(1);
    expect(none.stderr).toContain("no/such/directory: is no directory, so it is no copy of a machine's");
  });
});
