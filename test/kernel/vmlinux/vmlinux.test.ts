/** What is read from a vmlinux: by the compiler's own truth, whatever form the debug information has. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it, test } from 'vitest';
import { SmeltError } from '../../../src/errors.ts';
import { Vmcoreinfo } from '../../../src/kernel/vmcoreinfo.ts';
import { pageTypes } from '../../../src/kernel/vmlinux/page-types.ts';
import { vmcoreinfoOf } from '../../../src/kernel/vmlinux/vmlinux.ts';
import { openZstdStream } from '../../../src/native/zstd-stream.ts';
import { ElfSections } from '../../../src/read/debug/elf-sections.ts';
import { findSymbols } from '../../../src/read/debug/symbols.ts';
import { buildVmlinux, LINKED_AT, noCompiler, type VmlinuxOptions } from '../../build/vmlinux.ts';

const dir = mkdtempSync(join(tmpdir(), 'smelt-test-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
/** Why nothing here unpacks zstd. */
const zstd = openZstdStream();
const noZstd = 'unavailable' in zstd ? zstd.unavailable : undefined;

const look = async () => {};
let made = 0;
const built = (options: VmlinuxOptions = {}) => buildVmlinux(join(dir, `vmlinux${made++}`), options);
const textOf = async (path: string) => new Vmcoreinfo(await vmcoreinfoOf(path, look));

async function failureOf(path: string): Promise<SmeltError> {
  const error = await vmcoreinfoOf(path, look).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SmeltError);
  return error as SmeltError;
}

/** The table `truth` of vmlinux.c: what sizeof, offsetof and the constants are to the compiler. */
async function truthOf(path: string): Promise<Map<string, string>> {
  const elf = ElfSections.open(path);
  const [vaddr] = (await findSymbols(elf, new Set(['truth']), look))!.get('truth')!;
  const truth = new Map<string, string>();
  for (let at = vaddr!; ; at += 64n) {
    const row = elf.atAddress(at, 64)!;
    const key = row.toString('latin1', 0, 56).replace(/\0.*/s, '');
    if (key === '') break;
    truth.set(key, String(row.readBigInt64LE(56)));
  }
  elf.close();
  return truth;
}

describe.skipIf(noCompiler !== undefined)(
  `the layouts of a vmlinux${noCompiler ? ` (${noCompiler})` : ''}`,
  () => {
    const FORMS: readonly (VmlinuxOptions & { what: string; missing?: string | undefined })[] = [
      { what: 'DWARF 5', dwarf: 5 },
      { what: 'DWARF 4', dwarf: 4 },
      { what: 'DWARF 5 in the format of 64 bits', dwarf: 5, flags: ['-gdwarf64'] },
      { what: 'DWARF 5, compressed with zlib', dwarf: 5, objcopy: ['--compress-debug-sections=zlib'] },
      {
        what: 'DWARF 5, compressed with zstd',
        dwarf: 5,
        objcopy: ['--compress-debug-sections=zstd'],
        missing: noZstd,
      },
      { what: 'macros and unused types too', dwarf: 5, flags: ['-g3', '-fno-eliminate-unused-debug-types'] },
    ];
    for (const { what, missing, ...options } of FORMS) {
      it.skipIf(missing !== undefined)(
        `are those of the compiler: ${what}${missing ? ` (${missing})` : ''}`,
        async () => {
          const path = built(options);
          const info = await textOf(path);
          const truth = await truthOf(path);
          expect(truth.size).toBeGreaterThan(40);
          const seen = [...truth.keys()].map((key) => [key, info.string(key)]);
          expect(Object.fromEntries(seen)).toEqual(Object.fromEntries(truth));
        },
      );
    }

    it('come with the release, the size of pages, and symbols where they are linked', async () => {
      const info = await textOf(built());
      expect(info.release).toBe('6.1.0-tiny');
      expect(info.pageSize).toBe(4096);
      expect(info.symbol('init_uts_ns')! - LINKED_AT).toBeLessThan(0x10000n);
      // No array: the variable holds the array's address.
      expect(info.symbol('mem_section')).toBeDefined();
      expect(info.length('mem_section')).toBeUndefined();
      expect(info.symbol('node_online_map')).toBe(info.symbol('node_states')! + 128n);
    });
  },
);

describe.skipIf(noCompiler !== undefined)('a file that is no vmlinux with debug information', () => {
  test.each([
    ['is empty', '', 'NOT_A_DUMP', /no ELF file/],
    [
      'is text',
      'hello, this is no kernel at all, but it is longer than a header would be, by far\n',
      'NOT_A_DUMP',
      /no ELF/,
    ],
  ])('is refused: it %s', async (_, content, code, words) => {
    const path = join(dir, `none${made++}`);
    writeFileSync(path, content);
    expect(await failureOf(path)).toMatchObject({ code, message: expect.stringMatching(words) });
  });

  test.each<[string, VmlinuxOptions, string, RegExp]>([
    ['was stripped', { objcopy: ['--strip-all'] }, 'UNSUPPORTED', /has no symbols/],
    ['has no debug information', { objcopy: ['--strip-debug'] }, 'UNSUPPORTED', /has no debug information/],
    ['has them in .dwo files', { flags: ['-gsplit-dwarf'] }, 'UNSUPPORTED', /split into \.dwo files/],
    ['is no kernel', { objcopy: ['--redefine-sym=linux_banner=another'] }, 'UNSUPPORTED', /no linux_banner/],
    [
      'shares its debug information',
      { objcopy: ['--add-section=.gnu_debugaltlink=/dev/null'] },
      'UNSUPPORTED',
      /dwz/,
    ],
    [
      'has types of DWARF 4 in units of their own',
      { dwarf: 4, flags: ['-fdebug-types-section'] },
      'UNSUPPORTED',
      /units of their own/,
    ],
    [
      'has types of DWARF 5 in units of their own',
      { flags: ['-fdebug-types-section'] },
      'UNSUPPORTED',
      /units of their own/,
    ],
    ['has DWARF 3', { flags: ['-gdwarf-3'] }, 'UNSUPPORTED', /DWARF 3/],
  ])('is refused: it %s', async (_, options, code, words) => {
    const error = await failureOf(built(options));
    expect(error).toMatchObject({ code, message: expect.stringMatching(words) });
  });

  it('is refused when it is an object file, and when it is not there', async () => {
    const path = built({ flags: ['-r'] });
    expect(await failureOf(path)).toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('type 1'),
    });
    expect(await failureOf(join(dir, 'nowhere'))).toMatchObject({ code: 'INPUT_OPEN' });
  });
});

describe.skipIf(noCompiler !== undefined)('a damaged vmlinux', () => {
  const plain = noCompiler === undefined ? readFileSync(built()) : Buffer.alloc(0);
  const packed =
    noCompiler === undefined
      ? readFileSync(built({ objcopy: ['--compress-debug-sections=zlib'] }))
      : Buffer.alloc(0);

  /** It is read, or refused in a sentence. */
  async function survives(bytes: Uint8Array): Promise<void> {
    const path = join(dir, 'damaged');
    writeFileSync(path, bytes);
    try {
      await vmcoreinfoOf(path, look);
    } catch (error) {
      expect(error).toBeInstanceOf(SmeltError);
      expect((error as SmeltError).code).not.toBe('INTERNAL');
      expect((error as SmeltError).message).not.toMatch(/NaN|undefined|\n/);
    }
  }

  it('is refused or read wherever it is cut', async () => {
    for (const file of [plain, packed])
      for (let length = 0; length < file.length; length += 211) await survives(file.subarray(0, length));
  });

  it('is refused or read whatever is in it', async () => {
    for (const file of [plain, packed]) {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(file.length - 1), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)), {
            minLength: 1,
            maxLength: 20,
          }),
          async (changes) => {
            const copy = Buffer.from(file);
            for (const [at, value] of changes) copy[at] = value;
            await survives(copy);
          },
        ),
        { numRuns: 300 },
      );
    }
  }, 120_000);
});

describe('page types', () => {
  const flags = new Map([
    ['PG_slab', 9],
    ['PG_head', 16],
  ]);
  const none = new Map<string, number>();
  const dtors = new Map([['HUGETLB_PAGE_DTOR', 2]]);

  test.each([
    ['4.18', '4.19.0', none, flags, dtors, { BUDDY: -129 }],
    ['v5.1', '5.10.0-32', none, flags, dtors, { BUDDY: -129, OFFLINE: -257 }],
    ['v6.9', '6.9.1', none, flags, none, { BUDDY: -129, OFFLINE: -257, HUGETLB: -2049 }],
    [
      'v6.10',
      '6.10.0',
      none,
      new Map([['PG_head', 6]]),
      none,
      { BUDDY: -129, OFFLINE: -257, HUGETLB: -2049, SLAB: -4097 },
    ],
    [
      'v6.11, by its enumeration',
      '6.11.0',
      new Map([['PG_buddy', 0x40000000]]),
      flags,
      none,
      { BUDDY: ~0x40000000 },
    ],
    [
      'v6.12, by its enumeration',
      '6.12.1',
      new Map([
        ['PGTY_buddy', 0xf0],
        ['PGTY_slab', 0xf5],
      ]),
      flags,
      none,
      { BUDDY: 0xf0 << 24, SLAB: 0xf5 << 24 },
    ],
    ['a later kernel without it', '6.12.1', none, flags, none, {}],
  ])('are those of Linux since %s', (_, release, types, ofFlags, ofDtors, expected) => {
    const values = pageTypes(release, types, ofFlags, ofDtors);
    const named = Object.entries(expected).map(([type, value]) => [`PAGE_${type}_MAPCOUNT_VALUE`, value]);
    expect(Object.fromEntries(values)).toEqual(Object.fromEntries(named));
  });
});
