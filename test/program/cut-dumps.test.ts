/** What looks into an ELF core or a flattened file that is cut short: it answers from what is there, and says that it is cut. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { checkFailure, run, SMELT, scratch, smelt } from './smelt.ts';

const SMALL = join(import.meta.dirname, '../../samples/x86_64-6.1-small.kdump');
const dir = scratch();
const at = (name: string) => join(dir, name);

beforeAll(() => {
  const { status, stderr } = smelt('--quiet', '--to', 'elf', '-d', '0', SMALL, at('elf'));
  if (status !== 0) throw new Error(stderr);
  const line = '"$1" "$2" -F -z -d 0 --num-threads 1 "$3" > "$4"';
  run(['bash', '-c', line, 'bash', process.execPath, SMELT, SMALL, at('flat')]);
  for (const form of ['elf', 'flat']) {
    const whole = readFileSync(at(form));
    for (const share of [1, 30, 60, 95]) {
      const bytes = share === 1 ? 100 : Math.floor((whole.length * share) / 100);
      writeFileSync(at(`${share}.${form}`), whole.subarray(0, bytes));
    }
  }
}, 120_000);

const told = (stderr: string) => stderr.replaceAll(/\s+/g, ' ');

describe.each(['elf', 'flat'])('a file that is cut short (%s)', (form) => {
  const most = at(`95.${form}`);

  test.each([
    ['dmesg', []],
    ['ps', []],
    ['mods', []],
    ['read', ['linux_banner', '64']],
    ['vtop', ['init_task']],
    ['symbols', ['init_task']],
  ] as const)('answers smelt %s %s as the whole one does, where that is in it', (name, behind) => {
    const whole = smelt(name, at(form), ...behind);
    const cut = smelt(name, most, ...behind);
    const answer = (text: string) => text.replaceAll(most, at(form));
    expect(whole.stdout).not.toBe('');
    // Which pages stand last in a stream is not known; what leads to all else is among the first.
    if (name === 'ps' || name === 'mods')
      expect(cut.stdout.split('\n').length).toBeGreaterThan(form === 'elf' ? 8 : 1);
    else expect(answer(cut.stdout)).toBe(whole.stdout);
    expect(cut.status).toBe(0);
    expect(told(cut.stderr)).toMatch(/warning: \S+ is cut short, and what lay behind the cut is not in/);
    expect(told(whole.stderr)).not.toMatch(/cut short/);
  });

  test('has its log written by --dump-dmesg, and its stack shown', () => {
    const log = smelt('--dump-dmesg', most, '-');
    expect(log.stdout).toBe(smelt('--dump-dmesg', at(form), '-').stdout);
    expect(told(log.stderr)).toMatch(/is cut short/);
    expect(smelt('bt', most).stdout).toMatch(/#0 /);
  });

  test('says so in the report, too', () => {
    const { warnings } = JSON.parse(smelt('dmesg', '--json', most).stdout).report;
    expect(warnings[0]).toMatch(/is cut short/);
  });

  test.each([30, 60])('of which %s % are there is asked everything without a mistake of smelt', (share) => {
    for (const words of [
      ['dmesg'],
      ['bt', '--all'],
      ['ps'],
      ['mods'],
      ['symbols'],
      ['pages', '--quick'],
      ['map', '--quick'],
      ['read'],
      ['vtop'],
    ]) {
      const behind = ['read', 'vtop', 'symbols'].includes(words[0]!) ? ['init_task'] : [];
      const result = smelt(...words, at(`${share}.${form}`), ...behind);
      expect(told(result.stderr)).toMatch(/is cut short/);
      if (result.status !== 0)
        expect(checkFailure(result)).toMatch(/smelt salvage|smelt dmesg|not in the dump/);
    }
  });

  test('that lost what is asked for says how to get what is left', () => {
    const [failed] = ['pages', 'map'].map((name) => smelt(name, at(`60.${form}`)));
    expect(told(failed!.stderr)).toMatch(/`smelt info \S+` says what is there.*`smelt salvage \S+ DUMPFILE`/);
  });

  test('is no dump where not even its headers are there', () => {
    expect(checkFailure(smelt('dmesg', at(`1.${form}`)))).toMatch(/cut short|smelt salvage/);
  });

  test('is still refused where something is made of it, or it is compared', () => {
    expect(checkFailure(smelt('-z', '-d', '31', most, at('out')))).toMatch(/smelt salvage/);
    const { status, stdout, stderr } = smelt('diff', most, at(form));
    expect([status, stdout]).toEqual([1, '']);
    expect(told(stderr)).toMatch(/smelt salvage/);
  });
});

test('a flattened file is not searched for records that may be in the one that is cut', () => {
  const elf = readFileSync(at('elf'));
  const one = encodeFlattened(recordsOf(elf, elf.length));
  // Memory that held a flattened file has its records, too.
  const inner = readFileSync(at('flat')).subarray(4096, 400_000);
  one.set(inner, one.length - inner.length - 200_000);
  writeFileSync(at('one'), one.subarray(0, one.length - 100_000));
  const { stdout, status } = smelt('read', at('one'), 'linux_banner', '64');
  expect([stdout, status]).toEqual([smelt('read', at('elf'), 'linux_banner', '64').stdout, 0]);
});

test('smelt bt has registers by the notes where what a CPU ran is behind the cut', () => {
  const { stdout, stderr, status } = smelt('bt', at('60.elf'), 'cpu1');
  expect(status).toBe(0);
  expect(stdout).toMatch(/RIP: [0-9a-f]{16}/);
  expect(told(stderr)).toMatch(/is cut short/);
});
