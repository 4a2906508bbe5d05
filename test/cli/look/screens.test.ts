/** The screens and exit codes of verify, diff, read, vtop and symbols, by the program itself. */
import { readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildKdump } from '../../build/kdump.ts';
import { pageContent } from '../../build/page-content.ts';
import { checkFailure, run, SMELT, scratch, smelt, smeltAfter } from '../../program/smelt.ts';

const project = join(import.meta.dirname, '../../..');
const SAMPLE = join(project, 'samples/x86_64-6.1-small.kdump');
const SME_SAMPLE = join(project, 'samples/x86_64-6.1-sme.kdump');
const dir = scratch();
const at = (name: string) => join(dir, name);

beforeAll(() => {
  const pages = new Map(
    Array.from({ length: 64 }, (_, pfn) => [pfn, pageContent(pfn % 3 ? 'text' : 'zero', pfn)]),
  );
  buildKdump({ path: at('a'), codec: 'zlib', pages, release: '6.1.0', vmcoreinfo: 'OSRELEASE=6.1.0\n' });
  pages.set(5, pageContent('text', 99));
  pages.delete(7);
  buildKdump({ path: at('b'), codec: 'zlib', pages, release: '6.1.0', vmcoreinfo: 'OSRELEASE=6.1.0\n' });
  buildKdump({
    path: at('bad'),
    codec: 'zlib',
    pages,
    release: '6.1.0',
    vmcoreinfo: 'OSRELEASE=6.1.0\n',
    desc: (pfn, { size }) => (pfn === 10 ? { size: size - 1 } : {}),
  });
  writeFileSync(at('cut'), readFileSync(at('a')));
  truncateSync(at('cut'), 20_000);
});

/** Without what differs from run to run. */
function screen(...args: string[]) {
  // In the folder: how an input is shown depends on how long its name is.
  const { stdout, stderr, status } = smeltAfter(`cd '${dir}'`, ...args);
  expect(stderr).toBe('');
  const text = stdout.replace(/^( {2}run +).*$/m, '$1…');
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  return `${text}=> ${status}`;
}

describe('smelt verify', () => {
  test('shows what a whole dump is, and ends with 0', () => {
    expect(screen('verify', '--quiet', 'a')).toMatchInlineSnapshot(`
      "a  kdump-compressed, 256.0 KiB of RAM, Linux 6.1.0 x86_64
      whole: nothing is wrong with it

        notes     1 note, VMCOREINFO
        pages     zlib  42  every byte is proved by a checksum
                  raw   22  nothing proves their bytes
        run       …
      => 0"
    `);
  });

  test('lists what is wrong, and ends with 1', () => {
    expect(screen('verify', '--quiet', 'bad')).toMatchInlineSnapshot(`
      "bad  kdump-compressed, 252.0 KiB of RAM, Linux 6.1.0 x86_64
      not whole: 1 thing is wrong

        wrong     1 page is damaged: what is stored does not unpack to a page
                  page frame 0xa; the first at byte 22,531 (notWhole)
        notes     1 note, VMCOREINFO
        pages     zlib  40  every byte is proved by a checksum
                  raw   22  nothing proves their bytes
        run       …
      => 1"
    `);
    expect(screen('verify', '--quiet', 'cut')).toMatchInlineSnapshot(`
      "cut  kdump-compressed, 256.0 KiB of RAM, Linux 6.1.0 x86_64
      not whole: 1 thing is wrong

        wrong     64 pages are cut off: the file ends before their bytes or their
                  descriptors
                  page frames 0x0 to 0x3f; the first at byte 17,920 (cutOff)
        notes     1 note, VMCOREINFO
        pages     none
        run       …
      => 1"
    `);
  });

  test('says why it cannot look, with nothing on stdout', () => {
    expect(checkFailure(smelt('verify', '--quiet', at('nothing')))).toMatch(/no such file/);
    expect(checkFailure(smelt('verify', '--quiet', join(project, 'README.md')))).toMatch(/is not a dump/);
    expect(checkFailure(smelt('verify'))).toMatch(/VMCORE is missing/);
  });
});

describe('smelt diff', () => {
  test('shows pages that differ, with the first of them, and ends with 1', () => {
    expect(screen('diff', '--quiet', 'a', 'b')).toMatchInlineSnapshot(`
      "a  kdump-compressed, 256.0 KiB of RAM, Linux 6.1.0 x86_64
      b  kdump-compressed, 252.0 KiB of RAM, Linux 6.1.0 x86_64
      different: 1 page that both have

        identical  62 pages  248.0 KiB
        differ      1 page   4.0 KiB
                   page frame 0x5
        not whole   0 pages
        only in A   1 page   4.0 KiB
                   page frame 0x7
        only in B   0 pages

        run        …
      => 1"
    `);
  });

  test('ends with 0 where no page that both have differs; --exact wants the same pages', () => {
    expect(screen('diff', '--quiet', 'a', 'a')).toMatch(/the same: both have the same pages[\s\S]*=> 0$/);
    buildKdump({
      path: at('few'),
      codec: 'raw',
      pages: new Map([[1, pageContent('text', 1)]]),
      maxMapnr: 64,
    });
    expect(screen('diff', '--quiet', 'a', 'few')).toMatch(/no page that both have differs[\s\S]*=> 0$/);
    expect(screen('diff', '--quiet', '--exact', 'a', 'few')).toMatch(
      /63 pages that only one has[\s\S]*=> 1$/,
    );
  });

  test('tells a failure from a difference by stdout: nothing is there', () => {
    expect(checkFailure(smelt('diff', '--quiet', at('a'), at('nothing')))).toMatch(/no such file/);
    expect(checkFailure(smelt('diff', '--quiet', at('a')))).toMatch(/B is missing/);
    expect(smelt('diff', '--quiet', '--json', at('a'), at('nothing')).stdout).toMatch(/^\{"smelt":1,"error"/);
  });
});

describe('a dump that is cut short', () => {
  test('is what is told where its end would have had the layouts that tasks are read by', () => {
    const cut = at('cut-tasks');
    writeFileSync(cut, readFileSync(SAMPLE).subarray(0, 5_000_000));
    for (const command of ['ps', 'bt'])
      expect(checkFailure(smelt(command, cut))).toMatch(
        /The file is cut short: .* `smelt salvage \S+ DUMPFILE`/,
      );
  });
});

describe('smelt read, vtop and symbols', () => {
  test('show what was asked for', () => {
    expect(screen('read', SAMPLE, 'linux_banner', '40')).toMatchInlineSnapshot(`
      "ffffffffb211ffe0  4c69 6e75 7820 7665  7273 696f 6e20 362e  |Linux version 6.|
      ffffffffb211fff0  312e 302d 3536 2d63  6c6f 7564 2d61 6d64  |1.0-56-cloud-amd|
      ffffffffb2120000  3634 2028 6465 6269                       |64 (debi|
      => 0"
    `);
    expect(screen('read', SAMPLE, 'ffff800000000000', '1G')).toMatchInlineSnapshot(`
      "ffff800000000000  1,073,741,824 bytes are not mapped
      => 0"
    `);
    expect(screen('symbols', SAMPLE, 'init_tas?')).toMatchInlineSnapshot(`
      "ffffffffb2a1aa40 D init_task
      => 0"
    `);
    expect(screen('symbols', SAMPLE, 'no_such_symbol')).toMatchInlineSnapshot(`
      "none of the kernel's 87,347 symbols
      => 1"
    `);
    expect(screen('vtop', SAMPLE, 'ffff800000000000')).toMatchInlineSnapshot(`
      "Translating virtual address ffff800000000000 to physical address.
        PGD : 2a10800 => 0
      VIRTUAL           PHYSICAL
      ffff800000000000  none: the PGD entry is not present
      => 0"
    `);
  });

  test('read has one form of an answer', () => {
    const run = smelt('read', '--raw', '--json', SAMPLE, 'linux_banner');
    expect(run.status).toBe(1);
    expect(JSON.parse(run.stdout).error.code).toBe('USAGE');
  });

  test('the hexdump has the raw bytes, in pairs', () => {
    const command = '"$0" "$1" read --raw "$2" linux_banner 333 | od -A n -v -t x1';
    const { stdout } = run(['bash', '-c', command, process.execPath, SMELT, SAMPLE]);
    const bytes = stdout.trim().split(/\s+/);
    const shown = smelt('read', SAMPLE, 'linux_banner', '333').stdout.trimEnd().split('\n');
    expect(shown.flatMap((line) => line.slice(18, 58).match(/[0-9a-f]{2}/g))).toEqual(bytes);
    expect(bytes).toHaveLength(333);
  });

  test('end quietly where nobody reads any more, and never page by themselves', () => {
    const command = '"$0" "$1" symbols "$2" | head -n 1; echo "$PIPESTATUS"';
    const { stdout, stderr } = run(['bash', '-c', command, process.execPath, SMELT, SAMPLE]);
    expect(stdout).toMatch(/^[0-9a-f]{16} \S \S+\n0\n$/);
    expect(stderr).toBe('');
  });

  test('fit 80 columns, whatever they have to show', () => {
    smelt('--quiet', '-z', '-d', '31', SME_SAMPLE, at('small'));
    const longName = `a-dump-with-a-long-name-and-longer`;
    renameSync(at('small'), at(longName));
    for (const line of [
      ['ps', longName],
      ['bt', longName, '118'],
      ['mods', longName],
      ['pages', '--quiet', '--quick', longName],
      ['map', '--quiet', longName],
      ['vtop', longName, 'init_task'],
      ['read', longName, 'init_task', '64'],
    ])
      expect(screen(...line)).toMatch(/=> 0$/);
    expect(screen('vtop', longName, 'init_task')).toContain(
      '\n  PMD : 2a16ca8 => 8008000002a001e3  PRESENT|RW',
    );
  });

  test.each([
    [['read', SAMPLE], /ADDR is missing/],
    [['read', SAMPLE, 'a b'], /is no address and no symbol/],
    [['read', SAMPLE, 'linux_banner', 'x'], /is no number of bytes/],
    [['vtop', SAMPLE], /ADDR is missing/],
    [['vtop', SAMPLE, 'init_task', 'x'], /one operand too many/],
    [['symbols', SAMPLE, 'a', 'b'], /one operand too many/],
  ])('refuse what cannot be meant: %j', (line, why) => {
    expect(checkFailure(smelt(...line))).toMatch(why);
  });
});

describe('smelt read --words', () => {
  test('shows symbols in their place, two words a line, in 80 columns', () => {
    const { stdout, status } = smelt('read', '-w', SAMPLE, 'sys_call_table', '2K');
    expect(status).toBe(0);
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^[0-9a-f]{16} {2}__x64_sys_read +__x64_sys_write$/);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    expect(stdout.match(/__x64_sys_|__do_sys_|sys_ni/g)!.length).toBeGreaterThan(200);
    expect(checkFailure(smelt('read', '-w', '--raw', SAMPLE, 'sys_call_table'))).toContain('--words');
  });
});
