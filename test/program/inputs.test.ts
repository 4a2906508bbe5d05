/** Flattened files, split sets and `smelt -R` by the program itself: what comes of them is what comes of the plain dump. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { buildKdump, type KdumpOptions } from '../build/kdump.ts';
import { buildParts } from '../build/split.ts';
import { buildVmcore } from '../build/vmcore.ts';
import { parseKdump } from './parse-kdump.ts';
import {
  checkFailure,
  failureOf,
  namesIn,
  reportOf,
  run,
  SMELT,
  scratch,
  smelt,
  smeltAfter,
  until,
} from './smelt.ts';

const dir = scratch();
const at = (name: string): string => join(dir, name);
const PAGES = 6144;
let parts: string[];
let flatElf: Buffer;

beforeAll(() => {
  const core = buildVmcore({ path: at('core'), ram: [{ start: 2 ** 20, end: PAGES * 4096 }] });
  const pages = new Map<number, Uint8Array>();
  for (let pfn = 256; pfn < PAGES; pfn++) pages.set(pfn, core.pageBytes(pfn));
  const options: KdumpOptions = {
    path: at('kdump'),
    pages,
    codec: 'zlib',
    dumpLevel: 1,
    vmcoreinfo: core.vmcoreinfoText,
  };
  buildKdump(options);
  parts = buildParts(options, [2000, 2001, 4096]);
  flatElf = encodeFlattened(recordsOf(readFileSync(at('core')), 65536));
  writeFileSync(at('core.flat'), flatElf);
  // Page descriptors and page data by turns, the header again at the end.
  const kdump = readFileSync(at('kdump'));
  const pieces = recordsOf(kdump, 65536 - 200, 480);
  writeFileSync(
    at('kdump.flat'),
    encodeFlattened([...pieces.filter((_, i) => i % 2 === 0), ...pieces.filter((_, i) => i % 2), pieces[0]!]),
  );
  writeFileSync(at('part.flat'), encodeFlattened(recordsOf(readFileSync(parts[1]!), 4096)));
});

/** Page frames and their bytes. */
function contentsOf(path: string): Map<number, string> {
  const dump = parseKdump(path);
  return new Map([...dump.descriptors.keys()].map((pfn) => [pfn, dump.page(pfn)!.toString('latin1')]));
}

describe('the same dump', () => {
  test.each(['0', '3'])(
    'comes of what is flattened or split as of the plain file, with %s threads',
    (threads) => {
      const dump = (name: string, ...inputs: string[]) => {
        const result = smelt('--json', '-f', '-z', '-d', '31', '--num-threads', threads, ...inputs, at(name));
        expect(result.stderr).toContain('dump complete');
        return { report: reportOf(result), contents: contentsOf(at(name)) };
      };
      const [elf, kdump] = [dump('a', at('core')), dump('b', at('kdump'))];
      const flattened = dump('c', at('core.flat'));
      expect(flattened.contents).toEqual(elf.contents);
      expect(flattened.report).toMatchObject({ classes: elf.report.classes, mmap: false });
      expect(flattened.report.input).toMatchObject({ format: 'ELF', flattened: true, path: at('core.flat') });
      const [one, two, three, four] = parts as [string, string, string, string];
      for (const inputs of [
        [at('kdump.flat')],
        [one, two, three, four],
        [four, at('part.flat'), one, three],
      ]) {
        const other = dump('d', ...inputs);
        expect(other.contents).toEqual(kdump.contents);
        expect(other.report.classes).toEqual(kdump.report.classes);
        expect(other.report.input).toMatchObject({ path: inputs[0], moreParts: inputs.slice(1) });
      }
    },
  );

  test('is looked at by smelt sme, and by a dry run', () => {
    const sme = (...inputs: string[]) => JSON.parse(smelt('sme', '--json', ...inputs).stdout).report;
    const plain = sme(at('kdump')).census;
    expect(plain.pages).toBeDefined();
    expect(sme(at('kdump.flat')).census).toEqual(plain);
    expect(sme(...parts).census).toEqual(plain);
    const estimated = smelt('--dry-run', '--json', '-z', '-d', '31', ...parts, at('e'));
    expect(reportOf(estimated)).toMatchObject({ keptPages: contentsOf(at('a')).size });
    expect(existsSync(at('e'))).toBe(false);
  });

  test('has a dry run without DUMPFILE, and the summary says what the last file was taken for', () => {
    const one = (text: string) => text.replaceAll(/\s+/g, ' ');
    for (const inputs of [parts, [...parts.slice(0, 1), ...parts.slice(2), at('part.flat')]]) {
      const dry = smelt('-z', '-d', '31', '--dry-run', ...inputs);
      expect(dry.status).toBe(0);
      expect(one(dry.stderr)).toContain(
        `nothing was written; ${inputs.at(-1)} is taken for a part of the dump`,
      );
      expect(reportOf(smelt('--json', '-z', '-d', '31', '--dry-run', ...inputs))).toMatchObject({
        input: { moreParts: inputs.slice(1) },
        output: { path: null },
      });
    }
    const named = smelt('-z', '-d', '31', '--dry-run', ...parts, at('kdump'));
    expect(one(named.stderr)).toContain(`nothing was written to ${at('kdump')}`);
    // What a run with -f would write over it says so.
    expect(checkFailure(smelt('-f', '-z', '-d', '31', '--dry-run', ...parts))).toMatch(/Give all parts/);
    const split = smelt('-z', '-d', '0', '--dry-run', '--split', at('kdump'), parts[0]!, parts[1]!);
    expect(one(split.stderr)).toContain(`nothing was written to ${parts[0]} and ${parts[1]}`);
  });

  test('is salvaged in a dry run as a whole, where the last file named is a part', () => {
    const [first, , third] = parts as [string, string, string];
    const both = smelt('salvage', '--json', '--dry-run', first, third);
    expect(both.status).toBe(0);
    expect(reportOf(both).input).toMatchObject({ path: first, moreParts: [third] });
    expect(both.stderr.replaceAll(/\s+/g, ' ')).toContain(`${third} is taken for a part of the dump`);
    const alone = smelt('salvage', '--dry-run', first, at('kdump'));
    expect(alone.stderr.replaceAll(/\s+/g, ' ')).toContain(`nothing was written to ${at('kdump')}`);
  });

  test('is measured by smelt bench', () => {
    const result = smelt('bench', '--rounds', '1', '--num-threads', '1', '--json', '-l', at('kdump.flat'));
    expect(JSON.parse(result.stdout).report.input.flattened).toBe(true);
  });
});

describe('parts', () => {
  test('that are missing, or of another dump, are told by name', () => {
    const refused = (...inputs: string[]) => {
      const result = smelt('--json', '-d', '31', ...inputs, at('refused'));
      expect(failureOf(result).error.code).toBe('PARTS');
      expect(namesIn(dir).filter((name) => name.startsWith('refused'))).toEqual([]);
      return checkFailure(result);
    };
    expect(refused(parts[0]!, parts[2]!)).toContain('of which page frames 2,000, 4,096 to 6,143 are in none');
    expect(refused(at('kdump'), at('core'))).toContain(`${at('kdump')}: is a whole dump`);
    expect(refused(parts[1]!)).toContain('is one part of a split dump');
  });

  test('are never written over', () => {
    for (const args of [
      ['-f', ...parts, parts[2]!],
      ['--dump-dmesg', '-f', ...parts, parts[1]!],
    ])
      expect(checkFailure(smelt(...args))).toContain('is the input itself');
  });

  test('that are cut short leave a part of the dump', () => {
    const cut = at('cut.part');
    writeFileSync(cut, readFileSync(parts[0]!).subarray(0, -2000));
    const said = checkFailure(smelt('-l', cut, ...parts.slice(1), at('cut')));
    expect(said).toMatch(/the data of [\d,]+ pages lie behind the ends of the parts that should have them/);
    expect(existsSync(at('cut.incomplete'))).toBe(true);
  });
});

describe('smelt -R', () => {
  const rearrange = (input: string, ...args: string[]) =>
    run(['bash', '-c', 'exec "$@" < "$0"', input, process.execPath, SMELT, '-R', ...args]);

  test('makes of a file or a pipe what was flattened', () => {
    expect(rearrange(at('core.flat'), at('r1'))).toMatchObject({ status: 0, stdout: '' });
    expect(readFileSync(at('r1')).equals(readFileSync(at('core')))).toBe(true);
    const piped = run([
      'bash',
      '-c',
      'cat "$0" | "$@"',
      at('kdump.flat'),
      process.execPath,
      SMELT,
      '-R',
      at('r2'),
    ]);
    expect(piped.stderr).toMatch(/^dump complete: .*\n.* out of [\d,]+ records, /);
    expect(readFileSync(at('r2')).equals(readFileSync(at('kdump')))).toBe(true);
    expect(namesIn(dir).filter((name) => name.endsWith('.incomplete') && name.startsWith('r'))).toEqual([]);
  });

  test('leaves what stands behind the end mark of a file to the next reader', () => {
    writeFileSync(at('more'), Buffer.concat([flatElf, Buffer.from('the next one')]));
    const script = '{ "$@" --quiet && cat; } < "$0"';
    const both = run(['bash', '-c', script, at('more'), process.execPath, SMELT, '-R', at('r3')]);
    expect(both.stdout).toBe('the next one');
  });

  test('keeps what came of a stream that was cut off, and fails', () => {
    writeFileSync(at('cut.flat'), flatElf.subarray(0, -16));
    const said = checkFailure(rearrange(at('cut.flat'), at('r4')));
    expect(said).toContain('standard input: is a flattened dump without its end mark');
    expect(said).toContain(`What was written is in ${at('r4')}.incomplete`);
    expect(existsSync(at('r4'))).toBe(false);
    expect(readFileSync(at('r4.incomplete')).equals(readFileSync(at('core')))).toBe(true);
  });

  test('keeps what found room on a disk that is full', () => {
    const result = smeltAfter(`trap '' XFSZ; ulimit -f 1000; exec < ${at('core.flat')}`, '-R', at('r5'));
    const said = checkFailure(result);
    expect(said).toContain('(EFBIG)');
    expect(said).toContain(`What was written is in ${at('r5')}.incomplete`);
    expect(existsSync(at('r5'))).toBe(false);
  });

  test('that waits for a pipe is ended by a signal, and leaves nothing', async () => {
    const child = spawn(process.execPath, [SMELT, '-R', at('r6')], { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk) => (said += chunk));
    const ended = new Promise((resolve) => child.on('close', resolve));
    child.stdin.on('error', () => {});
    child.stdin.write(flatElf.subarray(0, 2_000_000));
    await until(() => existsSync(at('r6.incomplete')), 'the first bytes');
    child.kill('SIGINT');
    expect(await ended).toBe(1);
    expect(said).toContain('smelt: interrupted by SIGINT');
    expect(namesIn(dir).filter((name) => name.startsWith('r6'))).toEqual([]);
    child.stdin.destroy();
  });

  test('does not wait for a writer that goes on behind the end mark', async () => {
    const child = spawn(process.execPath, [SMELT, '-R', at('r7')], { stdio: ['pipe', 'ignore', 'ignore'] });
    const ended = new Promise((resolve) => child.on('close', resolve));
    child.stdin.on('error', () => {});
    child.stdin.write(flatElf);
    expect(await ended).toBe(0);
    child.stdin.destroy();
    const fd = openSync(at('r7'), 'r');
    const head = Buffer.alloc(4);
    readSync(fd, head, 0, 4, 0);
    closeSync(fd);
    expect(head.toString('latin1')).toBe('\x7fELF');
  });
});
