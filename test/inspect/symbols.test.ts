/** The kernel's own symbol table: all of it, by pattern, by name and by address, from any kind of dump. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { type SymbolReport, type SymbolsRequest, symbols } from '../../src/inspect/symbols.ts';
import { buildKdump } from '../build/kdump.ts';
import { pageContent } from '../build/page-content.ts';
import { tempFiles } from '../read/temp-files.ts';
import { runDump, scratch } from '../workers/run-dump.ts';
import { errorOf, NEVER, QUIET, requestOf } from './looking.ts';

const SAMPLE = join(import.meta.dirname, '../../samples/x86_64-6.1-small.kdump');
const FIXTURES = join(homedir(), '.cache/smelt/fixtures');
const SMELT = join(import.meta.dirname, '../../bin/smelt');
const dir = scratch();
const files = tempFiles();
let all: readonly SymbolReport[];

const ask = (what: SymbolsRequest['what'], path = SAMPLE) =>
  symbols({ ...requestOf(path), what, withSymbols: true }, QUIET, NEVER);

beforeAll(async () => {
  all = (await ask({ kind: 'all' })).symbols;
});

describe('the symbols of a kernel', () => {
  test('are all there, in ascending order, with addresses that VMCOREINFO has too', async () => {
    expect(all.length).toBeGreaterThan(50_000);
    expect(all.every(({ vaddr }, i) => i === 0 || all[i - 1]!.vaddr <= vaddr)).toBe(true);
    const info = readFileSync(SAMPLE).toString('latin1');
    for (const [, name, hex] of info.matchAll(/^SYMBOL\((init_uts_ns|_stext|node_data)\)=([0-9a-f]+)$/gm))
      expect(all.filter((each) => each.name === name).map(({ vaddr }) => vaddr)).toContain(
        BigInt(`0x${hex}`),
      );
  });

  test('are told with what is behind them, as stacks show it', async () => {
    const [{ vaddr }] = (await ask({ kind: 'name', name: '__crash_kexec' })).symbols as [SymbolReport];
    const { symbols: found, offset } = await ask({ kind: 'name', name: '__crash_kexec', offset: 0x77 });
    expect({ vaddr: found[0]!.vaddr, offset }).toEqual({ vaddr, offset: 0x77 });
    const at = (vaddr + 0x77n).toString(16);
    const line = execFileSync(SMELT, ['symbols', SAMPLE, '__crash_kexec+0x77'], { encoding: 'utf8' });
    expect(line).toBe(`${at} __crash_kexec+0x77\n`);
    expect((await ask({ kind: 'address', vaddr: vaddr + 0x77n })).at).toMatchObject({ offset: 0x77 });
  });

  test('are handed on in pieces to who does not want them in the report', async () => {
    const pieces: (readonly SymbolReport[])[] = [];
    const take = async (piece: readonly SymbolReport[]) => {
      pieces.push(piece);
    };
    const request = { ...requestOf(SAMPLE), what: { kind: 'all' }, withSymbols: false } as const;
    const { symbols: kept, shownSymbols, warnings } = await symbols(request, QUIET, NEVER, take);
    expect([kept, shownSymbols, warnings]).toEqual([[], all.length, []]);
    expect(pieces.flat()).toEqual(all);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(4096);
  });

  test('are no more text than a bound, and what is left out is said', async () => {
    const request = { ...requestOf(SAMPLE), what: { kind: 'all' }, withSymbols: true } as const;
    const most = 100 * 1024;
    const report = await symbols(request, QUIET, NEVER, undefined, most);
    const { length } = report.symbols;
    expect(report.symbols).toEqual(all.slice(0, length));
    const cost = (some: readonly SymbolReport[]) => some.reduce((sum, { name }) => sum + name.length + 64, 0);
    expect(cost(report.symbols)).toBeLessThanOrEqual(most);
    expect(cost(all.slice(0, length + 1))).toBeGreaterThan(most);
    expect(report.shownSymbols).toBe(length);
    expect(report.warnings).toEqual([expect.stringContaining('these are the first 1,')]);
  });

  test('end where they are told to, between two pieces', async () => {
    const abort = new AbortController();
    const request = { ...requestOf(SAMPLE), what: { kind: 'all' }, withSymbols: false } as const;
    let taken = 0;
    const take = async ({ length }: readonly SymbolReport[]) => {
      taken += length;
      abort.abort(new SmeltError('INTERRUPTED', 'told to'));
    };
    expect((await errorOf(symbols(request, QUIET, abort.signal, take))).code).toBe('INTERRUPTED');
    expect(taken).toBe(4096);
  });

  test('of one name are those that a walk through all of them finds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(all.length - 1), async (i) => {
        const { name } = all[i]!;
        const found = await ask({ kind: 'name', name });
        expect(found.symbols).toEqual(all.filter((each) => each.name === name));
      }),
      { numRuns: 15 },
    );
    expect((await ask({ kind: 'name', name: 'no_such_symbol' })).symbols).toEqual([]);
  });

  test('fit a pattern as a person means it', async () => {
    const names = async (pattern: string) =>
      new Set((await ask({ kind: 'pattern', pattern })).symbols.map(({ name }) => name));
    const want = (fits: (name: string) => boolean) => new Set(all.map(({ name }) => name).filter(fits));
    expect(await names('kexec_*')).toEqual(want((name) => name.startsWith('kexec_')));
    expect(await names('*_tas?')).toEqual(want((name) => /_tas.$/s.test(name)));
    expect(await names('**a**')).toEqual(want((name) => name.includes('a')));
    expect(await names('.*')).toEqual(want((name) => name.startsWith('.')));
    expect(await names('[a-z]+')).toEqual(new Set());
    expect(await names('*task*_?')).toEqual(want((name) => /task.*_.$/s.test(name)));
    expect(await names('__*_init*__')).toEqual(want((name) => /^__.*_init.*__$/s.test(name)));
  });

  test('a pattern of many stars is no endless work', async () => {
    const pattern = `${'*a'.repeat(12)}*!`;
    expect((await ask({ kind: 'pattern', pattern })).symbols).toEqual([]);
  });

  test('at an address are the last one below it, and how far behind it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(all.length - 2), fc.nat(1000), async (i, percent) => {
        const { vaddr } = all[i]!;
        const next = all.find((each) => each.vaddr > vaddr)?.vaddr ?? vaddr + 1n;
        const asked = vaddr + ((next - vaddr - 1n) * BigInt(percent)) / 1000n;
        const { at } = await ask({ kind: 'address', vaddr: asked });
        expect(at).toMatchObject({ vaddr, offset: Number(asked - vaddr) });
        expect(Object.keys(at!)).toContain('module');
        expect(all.filter((each) => each.vaddr === vaddr).map(({ name }) => name)).toContain(at!.name);
      }),
      { numRuns: 15 },
    );
    expect((await ask({ kind: 'address', vaddr: 0n })).at?.offset ?? 0).toBeGreaterThanOrEqual(0);
  });

  test('are the same from a dump that was filtered', async () => {
    const output = join(dir, 'small');
    await runDump({ input: SAMPLE, output, dumpLevel: 31, codec: 'lzo' });
    expect((await ask({ kind: 'all' }, output)).symbols).toEqual(all);
  });

  for (const name of ['x86_64-6.1-4level', 'x86_64-6.12-la57', 'x86_64-7.3-la57']) {
    const path = join(FIXTURES, `${name}.elf`);
    test.skipIf(!existsSync(path))(`are there in a larger dump (needs the fixture): ${name}`, async () => {
      expect((await ask({ kind: 'name', name: 'init_task' }, path)).symbols).toHaveLength(1);
    });
  }
});

describe('a kernel without a table', () => {
  test('is told so', async () => {
    const path = files.path('bare');
    buildKdump({ path, codec: 'zlib', pages: new Map([[1, pageContent('random', 1)]]) });
    expect((await errorOf(ask({ kind: 'all' }, path))).code).toBe('UNDECIDABLE');
  });

  test('that is damaged is no mistake of smelt, and no endless work', async () => {
    const small = join(dir, 'raw');
    await runDump({ input: SAMPLE, output: small, dumpLevel: 31, overwrite: true });
    const bytes = readFileSync(small);
    const names = bytes.indexOf(Buffer.from('SYMBOL(kallsyms_names)='));
    expect(names).toBeGreaterThan(0);
    const broken = files.path('broken');
    await fc.assert(
      fc.asyncProperty(fc.nat(400), fc.nat(255), async (offset, value) => {
        const copy = Buffer.from(bytes);
        copy[names + offset] = value;
        writeFileSync(broken, copy);
        await ask({ kind: 'name', name: 'init_task' }, broken).catch((error: unknown) => {
          if (!(error instanceof SmeltError) || error.code === 'INTERNAL') throw error;
        });
      }),
      { numRuns: 20 },
    );
  });
});
