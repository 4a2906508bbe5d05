import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { hasBit } from '../build/expected.ts';
import { buildKdump, type KdumpOptions } from '../build/kdump.ts';
import { prstatusNote } from '../build/notes.ts';
import type { BuiltVmcore } from '../build/vmcore.ts';
import { FLAG, INCOMPLETE, parseKdump } from '../program/parse-kdump.ts';
import { checkLayout, checkPages, trimmed } from './check-dump.ts';
import { buildEveryKind, KINDS_PFN } from './every-kind.ts';
import { failureOf, runDump, scratch } from './run-dump.ts';

const dir = scratch();
const core = buildEveryKind({ path: join(dir, 'core') });
const inMemory = buildEveryKind({ path: join(dir, 'core-memory'), vmcoreinfo: 'memory' });
const ram = [{ start: 0, end: 16384 }];
const notes = Buffer.concat([0, 1, 2].map((cpu) => prstatusNote(cpu, { rip: 1n, rsp: 2n })));

/** A file as another tool could have made it of `from`: level, codec and header are not those of smelt. */
function madeByOthers(
  name: string,
  from: BuiltVmcore,
  level: number,
  options: Partial<KdumpOptions> = {},
): string {
  const path = join(dir, name);
  const kept = from.expected.kept(level);
  const pages = new Map<number, Uint8Array>();
  for (let pfn = 0; pfn < from.expected.maxPfn; pfn++)
    if (hasBit(kept, pfn)) pages.set(pfn, from.pageBytes(pfn));
  buildKdump({
    path,
    pages,
    ram,
    dumpLevel: level,
    codec: 'zlib',
    notes,
    vmcoreinfo: from.vmcoreinfoText,
    header: { nodename: 'elsewhere', tv_sec: 1234567890123n, tv_usec: 654321n },
    ...options,
  });
  return path;
}

describe('a dump of a dump', () => {
  test.each([
    { old: 1, asked: 31, level: 31 },
    { old: 0, asked: 8, level: 8 },
    { old: 16, asked: 31, level: 31 },
    { old: 31, asked: undefined, level: 31 },
    { old: 17, asked: undefined, level: 17 },
    { old: 31, asked: 31, level: 31 },
    { old: 1, asked: 2, level: 3 },
  ])('of level $old asked for level $asked has level $level', async ({ old, asked, level }) => {
    const input = madeByOthers(`kdump-${old}`, core, old);
    const output = join(dir, `of-${old}-${asked}`);
    const { report, warnings } = await runDump({ input, output, dumpLevel: asked, codec: 'snappy' });
    expect(warnings).toEqual([]);
    const dump = parseKdump(output);
    const kept = core.expected.kept(level);
    checkPages(dump, core, kept);
    checkLayout(dump, FLAG.snappy);
    expect(dump.dumpLevel).toBe(level);
    expect(report.output.dumpLevel).toBe(level);
    expect(report.input).toMatchObject({
      format: 'kdump-compressed',
      dumpLevel: old,
      vmcoreinfoFrom: 'note',
    });
    expect(trimmed(dump.bitmap1)).toEqual(trimmed(core.expected.ram));
    expect(report.absentPages).toBe(16384 - core.expected.counts(old).kept);
    const sum = Object.values(report.classes).reduce((a, b) => a + b, 0);
    expect(sum + report.absentPages).toBe(report.totalPages);
  });

  test('has the notes, the names, the time and the erase info of the first', async () => {
    const erased = 'erase foo.secret 8\nerase bar.key 32\n';
    const input = madeByOthers('carried', core, 1, { eraseinfo: erased, nrCpus: 3 });
    const output = join(dir, 'carried.out');
    await runDump({ input, output, dumpLevel: 31, codec: 'zstd' });
    const [before, after] = [parseKdump(input), parseKdump(output)];
    expect(before.eraseinfo).toBe(erased);
    expect(after.eraseinfo).toBe(erased);
    expect(after.notes).toEqual(before.notes);
    expect(after.vmcoreinfo).toBe(core.vmcoreinfoText);
    expect(after.utsname).toEqual(before.utsname);
    expect(after.utsname[1]).toBe('elsewhere');
    expect(after.timestamp).toEqual([1234567890123n, 654321n]);
    expect(after.nrCpus).toBe(3);
    checkLayout(after, FLAG.zstd);
  });

  test('by smelt of a dump by smelt is the same as one at once', async () => {
    const steps = [1, 5, 13, 31];
    let input = core.path;
    for (const level of steps) {
      const output = join(dir, `step-${level}`);
      await runDump({ input, output, dumpLevel: level, codec: 'lzo' });
      input = output;
    }
    const once = join(dir, 'once');
    await runDump({ input: core.path, output: once, dumpLevel: 31, codec: 'lzo' });
    expect(readFileSync(input).equals(readFileSync(once))).toBe(true);
  });

  test('cannot bring back what is gone', async () => {
    const input = madeByOthers('lower', core, 31);
    for (const asked of [0, 1, 2, 15, 30 & ~2]) {
      const output = join(dir, 'lower.out');
      const error = await failureOf({ input, output, dumpLevel: asked });
      expect(error).toMatchObject({ code: 'CANNOT_LOWER', exitCode: 1 });
      expect(error.message).toContain(`was made at level 31, and -d ${asked} asks for pages that are gone`);
      expect(existsSync(output) || existsSync(`${output}.incomplete`)).toBe(false);
    }
  });

  test('that asks for less here and more there gets both, and a warning', async () => {
    const input = madeByOthers('mixed', core, 16);
    const output = join(dir, 'mixed.out');
    const { report, warnings } = await runDump({ input, output, dumpLevel: 8 });
    expect(warnings).toEqual([
      expect.stringMatching(/^the level is 24, not 8: .* already made at level 16$/),
    ]);
    expect(report.output.dumpLevel).toBe(24);
    checkPages(parseKdump(output), core, core.expected.kept(24));
  });

  test('keeps absent pages absent whatever their struct pages say', async () => {
    const hidden = [5000, 5001, KINDS_PFN + 2560];
    const kept = core.expected.kept(1);
    const pages = new Map<number, Uint8Array>();
    for (let pfn = 0; pfn < 16384; pfn++)
      if (hasBit(kept, pfn) && !hidden.includes(pfn)) pages.set(pfn, core.pageBytes(pfn));
    const input = madeByOthers('absent', core, 1, { pages });
    const output = join(dir, 'absent.out');
    const { report } = await runDump({ input, output, dumpLevel: 31, codec: 'zlib' });
    const dump = parseKdump(output);
    const expected = core.expected.kept(31);
    for (const pfn of hidden) expected[pfn >> 3] &= ~(1 << (pfn & 7));
    checkPages(dump, core, expected);
    expect(trimmed(dump.bitmap1)).toEqual(trimmed(core.expected.ram));
    expect(report.absentPages).toBe(16384 - pages.size);
  });

  test('that is incomplete stays incomplete, and its missing pages are counted', async () => {
    const lost = [KINDS_PFN + 2560, KINDS_PFN + 2561, 13000];
    const input = madeByOthers('cut', core, 1, { incomplete: lost });
    const output = join(dir, 'cut.out');
    const { report, warnings } = await runDump({ input, output, dumpLevel: 31, codec: 'zlib' });
    expect(report.missingPages).toBe(3);
    expect(warnings).toEqual([expect.stringContaining('3 pages could not be read')]);
    const dump = parseKdump(output);
    expect(dump.status).toBe(FLAG.zlib | INCOMPLETE);
    for (const pfn of lost) expect(dump.page(pfn)).toBeUndefined();
    expect(trimmed(dump.bitmap2)).toEqual(trimmed(core.expected.kept(31)));
  });

  test('that is marked incomplete stays so even when none of its missing pages is kept', async () => {
    const input = madeByOthers('cut-free', core, 1, { incomplete: [KINDS_PFN] }); // a free page
    const output = join(dir, 'cut-free.out');
    const { report } = await runDump({ input, output, dumpLevel: 31, codec: 'zlib' });
    expect(report.missingPages).toBe(0);
    expect(parseKdump(output).status).toBe(FLAG.zlib | INCOMPLETE);
  });

  test('with a negative phys_base that QEMU wrote wrong has the right one', async () => {
    const path = join(dir, 'moved');
    const moved = buildEveryKind({ path, kernelOffset: 0x1e000000n, physBase: -0x1e000000n });
    const input = madeByOthers('moved.kdump', moved, 1, { physBase: 0n });
    const output = join(dir, 'moved.out');
    await runDump({ input, output, dumpLevel: 31 });
    const dump = parseKdump(output);
    expect(dump.physBase).toBe(BigInt.asUintN(64, -0x1e000000n));
    checkPages(dump, moved, moved.expected.kept(31));
  });
});

describe('a VMCOREINFO that is only in memory', () => {
  test.each(['ELF', 'kdump'])('is found, added to the notes and said of an %s input', async (format) => {
    const input =
      format === 'ELF'
        ? inMemory.path
        : madeByOthers('memory.kdump', inMemory, 1, { vmcoreinfo: undefined as never, notes });
    const output = join(dir, `memory-${format}`);
    const { report, warnings } = await runDump({ input, output, dumpLevel: 31, codec: 'zstd' });
    expect(warnings).toEqual([]);
    expect(report.input.vmcoreinfoFrom).toBe('memory scan');
    const dump = parseKdump(output);
    expect(dump.vmcoreinfo).toBe(inMemory.vmcoreinfoText);
    expect(dump.nrCpus).toBe(format === 'ELF' ? 2 : 3);
    checkPages(dump, inMemory, inMemory.expected.kept(31));
    // And so a dump of this dump has it in its notes.
    const again = await runDump({ input: output, output: join(dir, `memory-${format}-again`) });
    expect(again.report.input.vmcoreinfoFrom).toBe('note');
  });
});

describe('a VMCOREINFO file', () => {
  const none = buildEveryKind({ path: join(dir, 'core-none'), vmcoreinfo: 'none' });
  const other = buildEveryKind({ path: join(dir, 'core-other'), release: '6.1.0-other', vmcoreinfo: 'none' });
  const given = (text: string): string => {
    const path = join(dir, 'vmcoreinfo');
    writeFileSync(path, text);
    return path;
  };

  test('serves a dump that has none of its own, and is added to the notes', async () => {
    const output = join(dir, 'given.out');
    const vmcoreinfoFile = given(none.vmcoreinfoText);
    const { report, warnings } = await runDump({ input: none.path, output, dumpLevel: 31, vmcoreinfoFile });
    expect(warnings).toEqual([]);
    expect(report.input.vmcoreinfoFrom).toBe('file');
    const dump = parseKdump(output);
    expect(dump.vmcoreinfo).toBe(none.vmcoreinfoText);
    checkPages(dump, none, none.expected.kept(31));
  });

  test.each([
    { of: 'a note', input: core.path, release: '6.1.0-smelt' },
    { of: 'the kernel in memory', input: none.path, release: '6.1.0-smelt' },
    { of: 'a kdump', input: madeByOthers('for-i', core, 1), release: '6.1.0-smelt' },
  ])('of another kernel than that of $of ends with exit code 2', async ({ input, release }) => {
    const output = join(dir, 'wrong.out');
    const vmcoreinfoFile = given(other.vmcoreinfoText);
    const error = await failureOf({ input, output, dumpLevel: 31, vmcoreinfoFile });
    expect(error).toMatchObject({ code: 'WRONG_RELEASE', exitCode: 2 });
    expect(error.message).toContain(`is of Linux 6.1.0-other, and ${input} of ${release}`);
    expect(existsSync(`${output}.incomplete`)).toBe(false);
  });

  test('that is none, or not there, is refused', async () => {
    const asked = { input: none.path, output: join(dir, 'refused.out') };
    expect(await failureOf({ ...asked, vmcoreinfoFile: given('hello\n') })).toMatchObject({
      code: 'CORRUPT',
    });
    expect(await failureOf({ ...asked, vmcoreinfoFile: join(dir, 'nowhere') })).toMatchObject({
      code: 'INPUT_OPEN',
    });
  });
});
