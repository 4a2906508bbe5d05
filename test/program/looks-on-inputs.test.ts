/** Every command that looks into a dump, on every form that a dump comes in: the answer is that on the plain file. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { JsonReport, Reports } from '../../src/cli/json.ts';
import { LOOK_NAMES, type LookName } from '../../src/cli/option.ts';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { checkFailure, run, SMELT, scratch, smelt } from './smelt.ts';

const samples = join(import.meta.dirname, '../../samples');
const SMALL = join(samples, 'x86_64-6.1-small.kdump');
const SME = join(samples, 'x86_64-6.1-sme.kdump');
const dir = scratch();
const at = (name: string) => join(dir, name);

function make(...args: readonly string[]): void {
  const { status, stderr } = smelt('--quiet', '-f', ...args);
  if (status !== 0) throw new Error(stderr);
}

function flatten(from: string, to: string): void {
  const line = '"$1" "$2" -F -z -d 0 "$3" > "$4"';
  const { status, stderr } = run(['bash', '-c', line, 'bash', process.execPath, SMELT, from, to]);
  if (status !== 0) throw new Error(stderr);
}

beforeAll(() => {
  flatten(SMALL, at('flat'));
  flatten(SME, at('sme.flat'));
  make('-z', '-d', '0', '--split', SMALL, at('1'), at('2'), at('3'));
  make('-z', '-d', '31', '--split', SMALL, at('31.1'), at('31.2'));
  make('-z', '-d', '0', '--split', SME, at('sme.1'), at('sme.2'));
  make('-z', '-d', '31', SMALL, at('31'));
  make('-z', '-d', '31', SME, at('sme.31'));
  make('--to', 'elf', '-d', '30', SMALL, at('elf'));
  writeFileSync(at('2.flat'), encodeFlattened(recordsOf(readFileSync(at('2')), 65_536)));
}, 120_000);

/** Each form of a sample: what a person types in the place of VMCORE. */
const FORMS: readonly (readonly [what: string, plain: string, files: readonly string[]])[] = [
  ['flattened', SMALL, ['flat']],
  ['split, in another order', SMALL, ['3', '1', '2']],
  ['split, a part of it flattened', SMALL, ['1', '2.flat', '3']],
  ['filtered', SMALL, ['31']],
  ['filtered and split', SMALL, ['31.1', '31.2']],
  ['ELF', SMALL, ['elf']],
  ['encrypted and filtered', SME, ['sme.31']],
  ['encrypted and flattened', SME, ['sme.flat']],
  ['encrypted and split', SME, ['sme.1', 'sme.2']],
];

const pagesOf = (kinds: Reports['map']['kinds']) =>
  Object.entries(kinds).map(([kind, { pages }]) => [kind, pages]);

/** What is asked, and what of the answer is of the machine and not of the file. */
const ASKED: readonly {
  [Name in LookName]: {
    readonly name: Name;
    readonly options?: readonly string[];
    readonly behind?: readonly string[];
    readonly answer: (report: Reports[Name]) => unknown;
  };
}[LookName][] = [
  {
    name: 'info',
    answer: ({ crash, kernel, cpus, memory, encryption, log }) => [
      crash,
      kernel,
      cpus,
      memory,
      encryption,
      log,
    ],
  },
  { name: 'dmesg', answer: (report) => (report as unknown as { entries: unknown }).entries },
  { name: 'ps', answer: ({ cpus, memoryBytes, tasks }) => [cpus, memoryBytes, tasks] },
  { name: 'bt', options: ['--all'], answer: ({ stacks }) => stacks },
  { name: 'bt', behind: ['118'], answer: ({ stacks }) => stacks },
  { name: 'mods', answer: ({ modules }) => modules },
  {
    name: 'pages',
    options: ['--top', '5'],
    answer: ({ kinds, zones, slabCaches, files }) => [
      pagesOf(kinds),
      zones?.map(({ kinds, ...zone }) => [zone, pagesOf(kinds)]),
      slabCaches,
      files,
    ],
  },
  { name: 'map', answer: ({ kinds, census }) => [pagesOf(kinds), census] },
  { name: 'read', behind: ['linux_banner+4', '64'], answer: ({ vaddr, pieces }) => [vaddr, pieces] },
  { name: 'vtop', behind: ['init_task'], answer: ({ walk }) => walk },
  { name: 'symbols', behind: ['*virtio_blk*'], answer: ({ symbols, total }) => [symbols, total] },
  { name: 'verify', answer: ({ findings }) => findings },
];

function answerOf(what: (typeof ASKED)[number], files: readonly string[]): unknown {
  const { name, options = [], behind = [], answer } = what;
  const { stdout, stderr, status } = smelt(name, '--quiet', '--json', ...options, ...files, ...behind);
  if (status !== 0) throw new Error(`${name}: exit ${status}: ${stderr}`);
  const { report } = JSON.parse(stdout) as JsonReport;
  return (answer as (report: unknown) => unknown)(report);
}

test('every command is asked', () => {
  expect(new Set([...ASKED.map(({ name }) => name), 'diff'])).toEqual(new Set(LOOK_NAMES));
});

describe.each(ASKED)('smelt $name $options $behind', (what) => {
  const plain = new Map<string, unknown>();
  beforeAll(() => {
    for (const sample of [SMALL, SME]) plain.set(sample, answerOf(what, [sample]));
  });

  test.each(FORMS)('is the same on a dump that is %s', (_, sample, files) => {
    const expected = plain.get(sample);
    expect(answerOf(what, files.map(at))).toEqual(expected);
    expect(JSON.stringify(expected)?.length).toBeGreaterThan(what.name === 'verify' ? 1 : 40);
  });
});

describe('smelt diff', () => {
  test.each(FORMS)('finds that a dump that is %s is the plain one', (_, sample, files) => {
    const { stdout, status } = smelt('diff', '--quiet', '--json', sample, ...files.map(at));
    expect((JSON.parse(stdout) as JsonReport<'diff'>).report).toMatchObject({ same: true });
    expect(status).toBe(0);
  });
});

describe('smelt ps', () => {
  test('has all tasks of an ELF file that lacks pages of zeros: what a structure has there is zero', () => {
    make('-E', '-d', '31', SMALL, at('elf31'));
    const what = ASKED.find(({ name }) => name === 'ps')!;
    expect(answerOf(what, [at('elf31')])).toEqual(answerOf(what, [SMALL]));
  });
});

describe('what stands behind the parts of a dump', () => {
  const inFolder = (...args: readonly string[]) =>
    run(['bash', '-c', 'cd "$1" && shift && exec "$@"', 'bash', dir, process.execPath, SMELT, ...args]);

  test('is no part where it is no file, or a file that is no dump', () => {
    writeFileSync(at('118'), 'not a dump');
    writeFileSync(at('init_task'), '');
    expect(inFolder('bt', SMALL, '118').stdout).toMatch(/PID 118 {2}hog-alpha/);
    expect(inFolder('symbols', SMALL, 'init_task').stdout).toMatch(/^ffffffff[0-9a-f]{8} D init_task$/m);
    expect(checkFailure(inFolder('bt', '1', '2', '33'.repeat(9)))).toMatch(/no PID, and no CPU.*a file/);
    expect(checkFailure(inFolder('read', '1', '2', '3'))).toMatch(/ADDR is missing/);
  });

  test('is no whole dump, whatever it is called, and nothing is behind one', () => {
    for (const [name, of] of [
      ['110', at('31')],
      ['118', at('2')],
    ] as const) {
      copyFileSync(of, at(name));
      expect(inFolder('bt', SMALL, name).stdout).toContain(`PID ${name}  hog-alpha`);
    }
    expect(inFolder('bt', '1', '2', '3', '110').stdout).toContain('PID 110  hog-alpha');
  });

  test('is wanted as long as parts are missing, and says so', () => {
    expect(checkFailure(smelt('ps', at('1'), at('3')))).toMatch(/Give all parts/);
    expect(checkFailure(smelt('bt', at('1'), at('3'), '1'))).toMatch(/Give all parts/);
    expect(checkFailure(smelt('read', SMALL, at('31'), 'init_task'))).toMatch(/is no address and no symbol/);
  });
});
