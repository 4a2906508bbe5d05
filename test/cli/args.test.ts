import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDump } from '../../src/cli/args.ts';
import { chooseCommand } from '../../src/cli/commands.ts';
import { tokenise } from '../../src/cli/tokens.ts';
import { SmeltError } from '../../src/errors.ts';
import type { DumpRequest } from '../../src/workers/report.ts';

/** The way that the program goes: a command's name may stand among the words. */
function parse(...words: string[]): DumpRequest {
  return parseDump(chooseCommand(tokenise(words)).rest);
}

function failure(...words: string[]): string {
  try {
    parse(...words);
  } catch (error) {
    if (!(error instanceof SmeltError)) throw error;
    expect(error.code).toBe('USAGE');
    expect(error.exitCode).toBe(1);
    return `${error.message}\n${error.hint}`;
  }
  throw new Error(`${words.join(' ')} was understood`);
}

const PLAIN: DumpRequest = {
  input: 'in',
  output: 'out',
  moreOutputs: [],
  stream: undefined,
  format: 'kdump',
  mostBytes: undefined,
  otherLevels: [],
  dryRun: false,
  dedup: false,
  dumpLevel: undefined,
  codec: undefined,
  compressionLevel: undefined,
  codecMaker: undefined,
  threads: undefined,
  mmap: undefined,
  overwrite: false,
  keepIncomplete: false,
  strict: false,
  excludeShared: false,
  allowCiphertext: false,
  requireEncryptedTarget: false,
  saveDmesg: undefined,
  partialDmesg: false,
  vtop: undefined,
  workDir: undefined,
  splitblockBytes: undefined,
  smeMask: undefined,
  vmcoreinfoFile: undefined,
};

describe('a command line', () => {
  test.each<[string, Partial<DumpRequest>]>([
    ['in out', {}],
    ['dump in out', {}],
    ['-d 31 dump in out', { dumpLevel: 31 }],
    ['-d31 in out', { dumpLevel: 31 }],
    ['-d 31 in out', { dumpLevel: 31 }],
    ['--dump-level=31 in out', { dumpLevel: 31 }],
    ['--dump-level 31 in out', { dumpLevel: 31 }],
    ['in out -d 31', { dumpLevel: 31 }],
    ['in -d31 out -z', { dumpLevel: 31, codec: 'zstd' }],
    ['-d 1 -d 31 in out', { dumpLevel: 31 }],
    ['-d 031 in out', { dumpLevel: 31 }],
    ['--partial-dmesg --save-dmesg log in out', { partialDmesg: true, saveDmesg: 'log' }],
    ['--vtop 0xffffffff81000000 in out', { vtop: 0xffffffff81000000n }],
    ['--vtop 18446744071578845184 in out', { vtop: 0xffffffff81000000n }],
    ['--work-dir dir --splitblock-size 1024 in out', { workDir: 'dir', splitblockBytes: 2 ** 20 }],
    ['--cyclic-buffer 4096 --non-cyclic -b 4 --check-params in out', {}],
    ['-lf in out', { codec: 'lzo', overwrite: true }],
    ['-zd31 in out', { codec: 'zstd', dumpLevel: 31 }],
    ['-fd 31 in out', { overwrite: true, dumpLevel: 31 }],
    ['-zlfd31 in out', { codec: 'lzo', overwrite: true, dumpLevel: 31 }],
    ['-z -c -l -p in out', { codec: 'snappy' }],
    ['-p -l -c -z in out', { codec: 'zstd' }],
    ['-l -z -c in out', { codec: 'zlib' }],
    ['-l -z -l in out', { codec: 'lzo' }],
    ['--num-threads=4 in out', { threads: 4 }],
    ['--num-threads 4 in out', { threads: 4 }],
    ['--num-threads 0 in out', { threads: 0 }],
    ['-l --message-level 7 -d 31 in out --num-threads=4', { codec: 'lzo', dumpLevel: 31, threads: 4 }],
    ['--mmap in out', { mmap: true }],
    ['--non-mmap in out', { mmap: false }],
    ['--mmap --non-mmap in out', { mmap: false }],
    ['--non-mmap --mmap in out', { mmap: true }],
    ['-i info in out', { vmcoreinfoFile: 'info' }],
    ['-x vmlinux in out', { vmlinuxFile: 'vmlinux' }],
    ['-x vmlinux --config rules in out', { vmlinuxFile: 'vmlinux', eraseConfig: 'rules' }],
    ['-iinfo in out', { vmcoreinfoFile: 'info' }],
    ['-i -info in out', { vmcoreinfoFile: '-info' }],
    ['-i -z in out', { vmcoreinfoFile: '-z' }],
    ['-z -i -l in out', { vmcoreinfoFile: '-l', codec: 'zstd' }],
    ['-i a=b in out', { vmcoreinfoFile: 'a=b' }],
    ['-i "q" in out', { vmcoreinfoFile: '"q"' }],
    ['--sme-mask 0x8000000000000 in out', { smeMask: 1n << 51n }],
    ['--sme-mask=0X800000000000 in out', { smeMask: 1n << 47n }],
    ['--sme-mask 4294967296 in out', { smeMask: 1n << 32n }],
    ['-z --compression-level 19 in out', { codec: 'zstd', compressionLevel: 19 }],
    ['-c --compression-level 12 in out', { codec: 'zlib', compressionLevel: 12 }],
    [
      '-c --compression-level 9 --codec-maker portable in out',
      { codec: 'zlib', compressionLevel: 9, codecMaker: 'portable' },
    ],
    [
      '-c --compression-level 12 --codec-maker native in out',
      { codec: 'zlib', compressionLevel: 12, codecMaker: 'native' },
    ],
    ['--strict --keep-incomplete -f in out', { strict: true, keepIncomplete: true, overwrite: true }],
    ['-f -f --json --json in out', { overwrite: true }],
    ['--save-dmesg log in out', { saveDmesg: 'log' }],
    ['--save-dmesg=./- in out', { saveDmesg: './-' }],
    ['-D --debug --quiet --show-stats --json in out', {}],
    ['-d 31 -- in out', { dumpLevel: 31 }],
    ['-- -d -z', { input: '-d', output: '-z' }],
    ['-- dump out', { input: 'dump', output: 'out' }],
    ['./dump out', { input: './dump' }],
    ['in dump', { output: 'dump' }],
    ['dump -- dump dump', { input: 'dump', output: 'dump' }],
    ['./- out', { input: './-' }],
    ['true false', { input: 'true', output: 'false' }],
    ['-f true 7', { overwrite: true, input: 'true', output: '7' }],
    ['0x10 1e3', { input: '0x10', output: '1e3' }],
    ['__proto__ constructor', { input: '__proto__', output: 'constructor' }],
  ])('reads `smelt %s`', (line, expected) => {
    expect(parse(...line.split(' '))).toEqual({ ...PLAIN, ...expected });
  });

  test('keeps blanks and newlines in names', () => {
    expect(parse('a b', 'c\nd')).toEqual({ ...PLAIN, input: 'a b', output: 'c\nd' });
  });

  test('means the same however its letters are put together', () => {
    const letters = fc.array(fc.constantFrom('z', 'c', 'l', 'p', 'f', 'D'), { maxLength: 8 });
    const level = fc.option(fc.integer({ min: 0, max: 31 }), { nil: undefined });
    const cuts = fc.array(fc.boolean(), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(letters, level, cuts, fc.boolean(), fc.boolean(), (given, value, cut, spaced, last) => {
        const files = ['in', 'out'];
        const apart = given.map((letter) => `-${letter}`);
        const words = ['-'];
        for (const [index, letter] of given.entries()) {
          if (cut[index] && words.at(-1) !== '-') words.push('-');
          words[words.length - 1] += letter;
        }
        if (value !== undefined) {
          apart.push('-d', String(value));
          words[words.length - 1] += spaced ? 'd' : `d${value}`;
          if (spaced) words.push(String(value));
        }
        const together = words.filter((word) => word !== '-');
        const line = last ? [...files, ...together] : [...together, ...files];
        expect(parse(...line)).toEqual(parse(...apart, ...files));
      }),
    );
  });

  test('is a request or a usage error, whatever is typed', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '-d',
        '31',
        '-zf',
        '--',
        '-',
        '--num-threads',
        '--num-threads=',
        '--__proto__',
        '---',
        '--=',
        '-é',
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (words) => {
        try {
          parse(...words);
        } catch (error) {
          expect(error).toMatchObject({ code: 'USAGE', hint: expect.stringMatching(/./) });
        }
      }),
    );
  });
});

describe('a wrong command line', () => {
  test('says which files are missing', () => {
    expect(failure()).toMatchInlineSnapshot(`
      "no files are given: smelt needs VMCORE to read and DUMPFILE to write
      \`smelt --help\` has examples."
    `);
    expect(failure('dump')).toBe(failure());
    expect(failure('vmcore')).toMatchInlineSnapshot(`
      "one file is given, vmcore, and DUMPFILE is missing
      Name the file to write: smelt vmcore DUMPFILE"
    `);
    expect(failure('dump', 'vmcore')).toBe(failure('vmcore'));
    expect(failure('', 'out')).toMatchInlineSnapshot(`
      "the name of VMCORE is empty
      A variable may be unset in the script that runs smelt."
    `);
    expect(failure('in', '')).toContain('the name of DUMPFILE is empty');
    expect(failure('in', '', 'out')).toContain('the name of VMCORE is empty');
    expect(failure('in', '-', 'out')).toContain('not read from stdin');
  });

  test('needs names for what is erased, and takes them from one file', () => {
    expect(failure('--config', 'rules', 'in', 'out')).toMatchInlineSnapshot(`
      "--config names kernel data, and nothing says where they are: -x is missing
      Add -x VMLINUX, the kernel with debug information."
    `);
    expect(failure('-i', 'info', '-x', 'vmlinux', 'in', 'out')).toMatchInlineSnapshot(`
      "-i and -x give the same, and one of them is enough
      Leave out -i: a vmlinux says all that a VMCOREINFO file made of it says."
    `);
    expect(failure('--eppic', 'macro', 'in', 'out')).toMatchInlineSnapshot(`
      "--eppic is an option of makedumpfile that smelt does not have
      smelt runs no foreign code on a dump; --config erases by rules."
    `);
  });

  test('has the parts of a split dump before DUMPFILE', () => {
    expect(parse('a', 'b', 'c')).toMatchObject({ input: 'a', moreParts: ['b'], output: 'c' });
    expect(parse('--dry-run', 'a', 'b', 'c', 'd')).toMatchObject({ moreParts: ['b', 'c'], output: 'd' });
    expect(parse('--dry-run', 'a', 'b')).toMatchObject({ moreParts: undefined, output: 'b' });
    expect(parse('--dry-run', 'a')).toMatchObject({ input: 'a', output: undefined });
    // A part may be called like a command with a typing error, if it is there.
    const dir = process.cwd();
    process.chdir(mkdtempSync(join(tmpdir(), 'smelt-args-')));
    writeFileSync('dumps', '');
    expect(parse('dumps', 'b', 'c')).toMatchObject({ input: 'dumps' });
    // Or like a command of crash.
    writeFileSync('log', '');
    expect(parse('log', 'b')).toMatchObject({ input: 'log', output: 'b' });
    process.chdir(dir);
  });

  test('is answered with the nearest command', () => {
    expect(failure('dmup', 'a', 'b')).toMatchInlineSnapshot(`
      "there is no command dmup
      Did you mean \`smelt dump VMCORE DUMPFILE\`?"
    `);
    expect(failure('dumpp')).toContain('Did you mean `smelt dump VMCORE DUMPFILE`?');
    expect(failure('analyse')).not.toContain('Did you mean');
    expect(failure('./dmup')).not.toContain('Did you mean');
  });

  test.each([
    ['--dmup-level', '--dump-level'],
    ['--num-treads=4', '--num-threads'],
    ['--messagelevel', '--message-level'],
    ['--no-mmap', '--non-mmap'],
    ['--quite', '--quiet'],
    ['--jsno', '--json'],
    ['--z', '-z'],
    ['-Z', '-z'],
    ['-fZ', '-z'],
    ['-V', '-v'],
    ['-quiet', '--quiet'],
    ['-num-threads=4', '--num-threads'],
  ])('answers %s with %s', (typed, meant) => {
    expect(failure(typed, 'in', 'out')).toContain(`Did you mean ${meant}?`);
  });

  test('is answered without a guess when nothing is near', () => {
    expect(failure('--frobnicate', 'in', 'out')).toMatchInlineSnapshot(`
      "there is no option --frobnicate
      \`smelt dump --help\` lists the options."
    `);
    expect(failure('-q', 'in', 'out')).toMatchInlineSnapshot(`
      "there is no option -q
      \`smelt dump --help\` lists the options."
    `);
    expect(failure('--__proto__', 'in', 'out')).toContain('there is no option --__proto__');
    expect(failure('--no-quiet', 'in', 'out')).toContain('there is no option --no-quiet');
  });

  test.each([
    '-X',
    '-e',
    '--eppic',
    '--xen-syms',
    '--xen_phys_start',
    '--extension',
    '--diskset',
    '--xen-vmcoreinfo',
  ])("is told that %s is makedumpfile's", (name) => {
    expect(failure(name, 'in', 'out')).toContain(
      `${name} is an option of makedumpfile that smelt does not have\n`,
    );
    const inside = name.startsWith('--') ? `${name}=x` : `-l${name[1]}`;
    expect(failure(inside, 'in', 'out')).toContain(
      `${name} is an option of makedumpfile that smelt does not have\n`,
    );
  });

  test.each([
    ['--vtop ffffffff81000000', 'Did you mean --vtop 0xffffffff81000000?'],
    ['--vtop 0x10000000000000000', 'an address has at most 64 bits'],
    ['--vtop 99999999999999999999', 'an address has at most 64 bits'],
    ['--vtop -1', 'an address has at most 64 bits'],
    ['--splitblock-size 6', 'a multiple of a page, which has 4 KiB\n--splitblock-size 4 would do.'],
    ['--splitblock-size 0', 'a whole number from 4'],
    ['--splitblock-size 1M', 'a whole number'],
    ['--cyclic-buffer 4M', 'a size in KiB is a whole number'],
    ['-b 21', 'an order is a whole number from 0 to 20'],
    ['--work-dir=', 'the name of the DIR directory is empty'],
    ['--partial-dmesg', 'none is asked for'],
  ])('is told what is wrong with %s', (options, why) => {
    expect(failure(...options.split(' '), 'in', 'out')).toContain(why);
  });

  test('is told the values that make sense', () => {
    const values = [
      ['-d', '32'],
      ['-d', '-1'],
      ['-d', '0x1f'],
      ['-d', ''],
      ['--num-threads=two'],
      ['--num-threads', '99999'],
      ['--message-level', '32'],
      ['--compression-level', '20', '-z'],
      ['--compression-level', '0', '-z'],
      ['--compression-level', '13', '-c'],
      ['--compression-level', '3', '-l'],
      ['--compression-level', '3'],
      ['--compression-level', '10', '-c', '--codec-maker', 'portable'],
      ['--codec-maker', 'portable'],
      ['--codec-maker', 'wasm', '-z'],
      ['--sme-mask', '51'],
      ['--sme-mask', '0x80000000'],
      ['--sme-mask', '0x10000000000000'],
      ['--sme-mask', '0xc000000000000'],
      ['--sme-mask', 'bit51'],
      ['-i', ''],
      ['--quiet=1'],
    ];
    const told = values.map(
      (words) => `${words.join(' ')}\n  ${failure(...words, 'in', 'out').replace('\n', '\n  ')}`,
    );
    expect(`\n${told.join('\n')}\n`).toMatchInlineSnapshot(`
      "
      -d 32
        -d 32: a dump level is a number from 0 to 31
        Add up what to leave out: 1 zero pages, 2 page cache, 4 private cache too, 8 user data, 16 free pages; -d 31 is all of them, and -d 23,31 tries 31 where 23 does not fit.
      -d -1
        -d -1: a dump level is a number from 0 to 31
        Add up what to leave out: 1 zero pages, 2 page cache, 4 private cache too, 8 user data, 16 free pages; -d 31 is all of them, and -d 23,31 tries 31 where 23 does not fit.
      -d 0x1f
        -d 0x1f: a dump level is a number from 0 to 31
        Add up what to leave out: 1 zero pages, 2 page cache, 4 private cache too, 8 user data, 16 free pages; -d 31 is all of them, and -d 23,31 tries 31 where 23 does not fit.
      -d 
        -d '': a dump level is a number from 0 to 31
        Add up what to leave out: 1 zero pages, 2 page cache, 4 private cache too, 8 user data, 16 free pages; -d 31 is all of them, and -d 23,31 tries 31 where 23 does not fit.
      --num-threads=two
        --num-threads two: the number of threads is a whole number from 0 to 4096
        \`smelt dump --help\` says what the numbers mean.
      --num-threads 99999
        --num-threads 99999: the number of threads is a whole number from 0 to 4096
        \`smelt dump --help\` says what the numbers mean.
      --message-level 32
        --message-level 32: a message level is a whole number from 0 to 31
        \`smelt dump --help\` says what the numbers mean.
      --compression-level 20 -z
        --compression-level 20: a compression level is a whole number from 1 to 19
        \`smelt dump --help\` says what the numbers mean.
      --compression-level 0 -z
        --compression-level 0: a compression level is a whole number from 1 to 19
        \`smelt dump --help\` says what the numbers mean.
      --compression-level 13 -c
        --compression-level 13: zlib has levels 1 to 12
        Level 12 is the smallest and slowest.
      --compression-level 3 -l
        --compression-level 3: lzo has no levels
        Leave it out, or take -z (zstd) or -c (zlib).
      --compression-level 3
        --compression-level 3: no compression is asked for
        Add -z (zstd) or -c (zlib).
      --compression-level 10 -c --codec-maker portable
        --compression-level 10: the portable zlib has levels 1 to 9
        Levels 10 to 12 need --codec-maker native.
      --codec-maker portable
        --codec-maker portable: no compression is asked for
        Add -z (zstd) or -c (zlib) or -l (lzo) or -p (snappy).
      --codec-maker wasm -z
        --codec-maker wasm: a maker is native or portable
        Without the option smelt takes the native one where it is installed.
      --sme-mask 51
        --sme-mask 51: the mask is a number with exactly one bit set, from bit 32 to bit 51
        Did you mean bit 51, 0x8000000000000? Bit 47 is 0x800000000000, bit 51 is 0x8000000000000, and 0 is no mask.
      --sme-mask 0x80000000
        --sme-mask 0x80000000: the mask is a number with exactly one bit set, from bit 32 to bit 51
        Bit 47 is 0x800000000000, bit 51 is 0x8000000000000, and 0 is no mask.
      --sme-mask 0x10000000000000
        --sme-mask 0x10000000000000: the mask is a number with exactly one bit set, from bit 32 to bit 51
        Bit 47 is 0x800000000000, bit 51 is 0x8000000000000, and 0 is no mask.
      --sme-mask 0xc000000000000
        --sme-mask 0xc000000000000: the mask is a number with exactly one bit set, from bit 32 to bit 51
        Bit 47 is 0x800000000000, bit 51 is 0x8000000000000, and 0 is no mask.
      --sme-mask bit51
        --sme-mask bit51: the mask is a number with exactly one bit set, from bit 32 to bit 51
        Bit 47 is 0x800000000000, bit 51 is 0x8000000000000, and 0 is no mask.
      -i 
        -i: the name of the VMCOREINFO file is empty
        Give a file: -i VMCOREINFO.
      --quiet=1
        --quiet takes no value
        Write --quiet alone.
      "
    `);
  });

  test('is told which option lacks its value', () => {
    expect(failure('in', 'out', '-d')).toMatchInlineSnapshot(`
      "-d needs a value
      Write it behind the option: -d LEVEL."
    `);
    expect(failure('in', 'out', '-zd')).toBe(failure('in', 'out', '-d'));
    expect(failure('in', 'out', '--num-threads')).toMatchInlineSnapshot(`
      "--num-threads needs a value
      Write it behind the option: --num-threads N."
    `);
  });
});
