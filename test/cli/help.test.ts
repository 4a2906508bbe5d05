import { describe, expect, test } from 'vitest';
import { parseDump } from '../../src/cli/args.ts';
import { parseBench } from '../../src/cli/bench-args.ts';
import { COMMANDS, DEFAULT_COMMAND } from '../../src/cli/commands.ts';
import { commandHelp, shortHelp } from '../../src/cli/help.ts';
import { LOOK_NAMES } from '../../src/cli/option.ts';
import { docOf, optionsOf } from '../../src/cli/options.ts';
import { parseSme } from '../../src/cli/sme-args.ts';
import { tokenise } from '../../src/cli/tokens.ts';

const dumpHelp = (): string => commandHelp(DEFAULT_COMMAND);
const benchHelp = (): string => commandHelp(COMMANDS.find(({ name }) => name === 'bench')!);
const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

describe('smelt --help', () => {
  test('fits one screen of 80 columns and 24 lines with the prompt', () => {
    expect(widest(shortHelp('10.10.10'))).toBeLessThanOrEqual(80);
    expect(shortHelp('0.1.0').split('\n').length).toBeLessThanOrEqual(24);
  });

  test('shows the usage, the commands, the options used most and examples', () => {
    expect(`\n${shortHelp('0.1.0')}`).toMatchInlineSnapshot(`
      "
      smelt 0.1.0: filters, compresses and writes Linux vmcores

      Usage: smelt [OPTIONS] VMCORE DUMPFILE

      Commands
        dump                       filter and compress a dump; the default
        salvage                    what is whole of a dump that is cut or damaged
        info                       what a dump is: what crashed, when, why
        dmesg                      the kernel log, or parts of it
        bt                         the stack of the task that crashed, or another
        map                        a picture of the memory
        convert, ps, mods, pages, read, vtop, symbols, verify, diff, sme, luks, bench

      Options used most
        -d, --dump-level LEVEL     pages to leave out: 0 none to 31 all (default 0)
        -z                         zstd: quick, small dumps
        -f                         overwrite DUMPFILE when it exists
            --json                 a report on stdout (stderr with -F), errors too

      Examples
        smelt -l -d 31 /proc/vmcore /var/crash/vmcore  in the kdump kernel
        smelt -z -d 31 vmcore small                    a dump to send away
      \`smelt COMMAND --help\` has the options of each; what it takes is mostly VMCORE.
      "
    `);
  });

  test('has examples that work', () => {
    const examples = [...shortHelp('0.1.0').matchAll(/^ {2}smelt (.*?) {2,}/gm)].map((match) => match[1]);
    expect(examples.length).toBe(2);
    for (const example of examples) expect(parseDump(tokenise(example.split(' '))).output).not.toBe('');
  });
});

describe('the help of what looks into a dump', () => {
  test.each(LOOK_NAMES)('smelt %s --help fits a screen of 80 columns and 24 lines', (name) => {
    const help = commandHelp(COMMANDS.find((command) => command.name === name)!);
    expect(widest(help)).toBeLessThanOrEqual(80);
    expect(help.trimEnd().split('\n').length).toBeLessThanOrEqual(24);
    expect(help).toMatch(new RegExp(`^Examples\\n  smelt ${name} `, 'm'));
    expect(help).toMatch(/Of (a split dump|split dumps) all parts/);
  });
});

describe('smelt sme --help', () => {
  test('fits a screen of 80 columns, and its examples work', () => {
    const help = commandHelp(COMMANDS.find(({ name }) => name === 'sme')!);
    expect(widest(help)).toBeLessThanOrEqual(80);
    expect(help).toMatch(/^[ -~\n]+$/);
    expect(help.split('\n').length).toBeLessThanOrEqual(28);
    const examples = [...help.matchAll(/^ {2}smelt sme (.*?) {2,}/gm)].map((match) => match[1]);
    expect(examples.length).toBe(3);
    for (const example of examples) expect(parseSme(tokenise(example.split(' ')))).toBeTruthy();
  });
});

describe('smelt bench --help', () => {
  test('fits a screen of 80 columns', () => {
    expect(widest(benchHelp())).toBeLessThanOrEqual(80);
    expect(benchHelp()).toMatch(/^[ -~\n]+$/);
    expect(benchHelp().split('\n').length).toBeLessThanOrEqual(28);
  });

  test('names every option that only it takes', () => {
    for (const option of optionsOf('bench').filter(({ of }) => of !== undefined)) {
      const spelt = option.long === undefined ? `-${option.short}` : `--${option.long}`;
      expect(benchHelp()).toContain(spelt);
    }
  });

  test('has examples that work', () => {
    const examples = [...benchHelp().matchAll(/^ {2}smelt bench (.*?) {2,}/gm)].map((match) => match[1]);
    expect(examples.length).toBe(3);
    for (const example of examples) parseBench(tokenise(example.split(' ')), ['smelt']);
  });
});

describe('smelt dump --help', () => {
  test('fits 80 columns and asks nothing of the terminal but ASCII', () => {
    expect(widest(dumpHelp())).toBeLessThanOrEqual(80);
    expect(dumpHelp()).toMatch(/^[ -~\n]+$/);
  });

  test('has every option on a line of its own', () => {
    for (const option of optionsOf('dump')) {
      const { long, short } = option;
      const doc = docOf(option, 'dump');
      const line = dumpHelp()
        .split('\n')
        .filter((text) => text.endsWith(` ${doc}`));
      expect(line.length, doc).toBe(1);
      if (long !== undefined) expect(line[0]).toContain(`--${long}`);
      if (short !== undefined) expect(line[0]).toContain(`-${short}`);
    }
  });

  test('groups the options by purpose', () => {
    expect(`\n${dumpHelp()}`).toMatchInlineSnapshot(`
      "
      Usage: smelt [dump] [OPTIONS] VMCORE DUMPFILE

      Reads VMCORE (/proc/vmcore, an ELF or a kdump-compressed dump, flattened or not;
      of a split one all its PARTs) and writes DUMPFILE (kdump-compressed) without the
      pages that nobody needs.

      What to keep
        -d, --dump-level LEVEL     pages to leave out: 0 none to 31 all (default 0)
            --strict               fail where the memory map cannot be read at all
            --exclude-shared       leave out pages that were not encrypted (SME, SEV)
            --allow-ciphertext     write a dump even if VMCORE is ciphertext
        -i VMCOREINFO              read VMCOREINFO from this file (text lines)
        -x VMLINUX                 the same from a vmlinux with debug information
            --config FILE          erase kernel data by the rules in FILE (needs -x)
            --sme-mask MASK        encryption bit of page-table entries, 0x or decimal

        LEVEL is the sum of the pages to leave out: 1 zero pages, 2 page cache,
        4 page cache with private data too, 8 user data, 16 free pages.

      How to compress
        -z                         zstd: quick, small dumps
        -c                         zlib: every reader knows it
        -l                         lzo: quick, larger dumps
        -p                         snappy
            --compression-level N  zstd 1 to 19, zlib 1 to 12 (default 1)
            --codec-maker KIND     native (system library) or portable (in smelt)
            --dedup                store identical pages once

        Without a letter pages are stored as they are; of several the last counts.

      Where to write
            --require-encrypted-target write only where all is encrypted
        -f                         overwrite DUMPFILE when it exists
            --keep-incomplete      keep DUMPFILE.incomplete when interrupted
            --save-dmesg LOGFILE   before the dump, write the kernel log as text
            --dump-dmesg           write only the kernel log: VMCORE LOGFILE (or -)
        -g VMCOREINFO              write nothing but a file for -i, made of -x
        -R                         put a flattened dump in order: DUMPFILE < STREAM
        -F                         to standard output, as a flattened stream
        -E                         write ELF, as --to elf
            --to FORMAT            kdump (default), elf, raw or lime
            --split                to two files or more: VMCORE FILE1 FILE2
            --reassemble           join what --split made: FILE1 FILE2 DUMPFILE
        -L SIZE                    let no file get larger than SIZE (K, M, G)
            --work-dir DIR         for a working file, by default TMPDIR or /tmp
            --partial-dmesg        of the log only what came after \`dmesg --clear\`
            --mem-usage            show how many pages are of which kind: VMCORE

      How to run
            --dry-run              estimate only; DUMPFILE may be left out
            --num-threads N        threads that work; 0 is 1 (default: one a CPU)
            --mmap                 map VMCORE into memory (default)
            --non-mmap             read VMCORE instead of mapping it
            --check-params         check the command line and do nothing else

      What to tell
            --vtop ADDR            show the page-table walk of an address, then dump
            --quiet                errors and warnings only (--message-level 4)
            --json                 a report on stdout (stderr with -F), errors too
            --debug                add the stack trace to an error
        -h, --help                 show this and exit
        -v, --version              show the version and exit
            --generate KIND        print man, complete-bash, -zsh or -fish, and exit

      Compatibility with makedumpfile
            --splitblock-size KIB  by what makedumpfile --split counts; no effect
            --cyclic-buffer KIB    makedumpfile's buffer for bitmaps; no effect
            --non-cyclic           an option of older makedumpfiles; no effect
        -b ORDER                   makedumpfile's output buffer; no effect
            --message-level N      1 progress, 2 common, 4 error, 8 debug, 16 report
        -D                         debug messages too (--message-level +8)
            --show-stats           the summary and makedumpfile's counts (+16)

      Examples
        smelt -l -d 31 /proc/vmcore /var/crash/vmcore  in the kdump kernel
        smelt -z -d 31 vmcore small                    a dump to send away
        smelt -c -d 1 --num-threads 8 vmcore whole     all but zero pages

      Exit codes: 0 done, 1 failed or interrupted, 2 VMCOREINFO of another kernel,
      130 stopped at once by a second Ctrl-C.
      "
    `);
  });
});
