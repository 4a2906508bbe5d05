import {
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { JsonReport } from '../../src/cli/json.ts';
import { buildVmcore } from '../build/vmcore.ts';
import { parseKdump } from './parse-kdump.ts';
import {
  checkFailure,
  failureOf,
  namesIn,
  type ProgramResult,
  reportOf,
  run,
  SMELT,
  scratch,
  smelt,
  smeltAfter,
} from './smelt.ts';

const dir = scratch();
const input = join(dir, 'core');
const without = join(dir, 'without');
const damaged = join(dir, 'damaged');
const old = join(dir, 'old');
const encrypted = join(dir, 'encrypted');
const noise = join(dir, 'noise');
const out = join(dir, 'out');
const log = join(out, 'log');
const path = join(out, 'dump');

const dmesg = ['Linux version 6.1.0-smelt', 'two\nlines', 'Kernel panic'];
const TEXT = `[    0.000000] [      T0] Linux version 6.1.0-smelt
[    1.234567] [      C1] two
                          lines
[    2.469134] [      T2] Kernel panic
`;
const OLD_TEXT = TEXT.replaceAll(/\] \[ {6}[TC]\d\]/g, ']').replace(
  '                          lines',
  '               lines',
);

beforeAll(() => {
  buildVmcore({ path: input, dmesg });
  buildVmcore({ path: old, dmesg, kernel: '4.19' });
  buildVmcore({ path: encrypted, dmesg, smeMask: 1n << 51n });
  buildVmcore({ path: without, dmesg, overrides: { 'SYMBOL(prb)': undefined } });
  buildVmcore({ path: damaged, dmesg, overrides: { 'OFFSET(prb_desc.state_var)': '8' } });
});
beforeEach(() => {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out);
});

const text = (of = log): string => readFileSync(of, 'latin1');
const reportOfLog = ({ stdout }: ProgramResult) => (JSON.parse(stdout) as JsonReport<'dmesg'>).report;

describe('--dump-dmesg', () => {
  test('writes the log as text, for its owner alone, and says how much that is', () => {
    const { status, stdout, stderr } = smeltAfter('umask 0', '--dump-dmesg', input, log);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(text()).toBe(TEXT);
    expect(statSync(log).mode & 0o7777).toBe(0o600);
    expect(namesIn(out)).toEqual(['log']);
    expect(stderr).toMatch(/ELF, .*Linux 6\.1\.0-smelt/);
    expect(stderr).toContain(`kernel log complete: ${log}\n  3 records, ${TEXT.length} B, `);
    expect(smelt('--quiet', '-f', '--dump-dmesg', input, log).stderr).toBe('');
  });

  test.each([
    ['an old kernel', old, OLD_TEXT],
    ['memory that was encrypted', encrypted, TEXT],
  ])('reads that of %s', (_, core, expected) => {
    expect(smelt('dump', '--dump-dmesg', core, log).status).toBe(0);
    expect(text()).toBe(expected);
  });

  test('reads that of a dump that smelt made, mapped or not', () => {
    expect(smelt('-z', '-d', '31', input, path).status).toBe(0);
    for (const access of ['--mmap', '--non-mmap']) {
      expect(smelt('-f', access, '--dump-dmesg', path, log).status).toBe(0);
      expect(text()).toBe(TEXT);
    }
  });

  test('writes to standard output for -, and nothing else there', () => {
    const { status, stdout, stderr } = smelt('--dump-dmesg', input, '-');
    expect({ status, stdout }).toEqual({ status: 0, stdout: TEXT });
    expect(stderr).toBe('');
    expect(namesIn(out)).toEqual([]);
  });

  test('fails where standard output cannot be written', () => {
    const command = `"$0" "$1" --dump-dmesg "$2" - > /dev/full`;
    const { status, stderr } = run(['bash', '-c', command, process.execPath, SMELT, input]);
    expect(status).toBe(1);
    expect(stderr).toContain('standard output cannot be written: no space left on the device (ENOSPC)');
  });

  test.each(['--dump-dmesg "$2" -', '-F --dump-dmesg "$2"'])(
    'says so where nobody reads what %s writes',
    (options) => {
      const command = `set -o pipefail; "$0" "$1" --quiet ${options} | true`;
      const result = run(['bash', '-c', command, process.execPath, SMELT, input]);
      expect(checkFailure(result)).toContain(
        'standard output cannot be written: the reader of the pipe is gone (EPIPE)',
      );
    },
  );

  test('is what SUSE calls makedumpfile for, and says what its script looks for', () => {
    const core = join(dir, 'crashed');
    buildVmcore({ path: core, dmesg, overrides: { CRASHTIME: '1795208171' } });
    const parse = `IFS=' ='; while read KEY VALUE; do
      [[ CRASHTIME == "$KEY" ]] && CRASHTIME=$VALUE; [[ OSRELEASE == "$KEY" ]] && OSRELEASE=$VALUE
    done < "$3"; echo "$OSRELEASE|$CRASHTIME" >&2`;
    const command = `set -o pipefail; "$0" "$1" -F --message-level 8 --dump-dmesg "$2" 2> "$3" | cat && ${parse}`;
    const { status, stdout, stderr } = run(['bash', '-c', command, process.execPath, SMELT, core, log]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: TEXT });
    expect(stderr).toBe('6.1.0-smelt|1795208171\n');
    expect(text()).toBe('OSRELEASE=6.1.0-smelt\nCRASHTIME=1795208171\n');
  });

  test('writes what came after the last clear, or all where that is not known', () => {
    const cleared = join(dir, 'cleared');
    buildVmcore({ path: cleared, dmesg, clearedBefore: 2 });
    const last = TEXT.split('\n').slice(-2).join('\n');
    expect(smelt('-F', '--partial-dmesg', '--dump-dmesg', cleared).stdout).toBe(last);
    expect(smelt('--partial-dmesg', '--save-dmesg', log, '-d', '31', cleared, path).status).toBe(0);
    expect(text()).toBe(last);
    buildVmcore({ path: cleared, dmesg, overrides: { 'SYMBOL(clear_seq)': undefined } });
    const { stdout, stderr } = smelt('-F', '--partial-dmesg', '--dump-dmesg', cleared);
    expect(stdout).toBe(TEXT);
    expect(stderr.replaceAll(/\s+/g, ' ')).toContain(
      'the whole kernel log is written: VMCOREINFO does not say where',
    );
  });

  test('tells programs the same', () => {
    const result = smelt('--json', '--dump-dmesg', encrypted, log);
    expect(JSON.parse(result.stdout)).toMatchObject({ smelt: 1, command: 'dmesg' });
    const report = reportOfLog(result);
    expect(report.log).toMatchObject({ path: log, records: 3, lostRecords: 0, sizeBytes: TEXT.length });
    expect(report.input).toMatchObject({ path: encrypted, smeMaskBit: 51 });
    expect(report.log.targetProtection).not.toBeNull();
  });

  test('says that memory was encrypted and its log will not be', () => {
    const { stderr } = smelt('--dump-dmesg', encrypted, log);
    // Of the tested machine's disk, whatever it is.
    const { targetProtection } = reportOfLog(smelt('-f', '--json', '--dump-dmesg', encrypted, log)).log;
    expect(/and its\s+log (will|may)\s+not\s+be|only in\s+part/.test(stderr)).toBe(
      targetProtection?.encrypted !== 'all legs',
    );
    expect(smelt('-f', '--dump-dmesg', input, log).stderr).not.toContain('encrypted');
  });

  test('leaves a file that exists alone without -f, and replaces it with it', () => {
    writeFileSync(log, 'precious');
    expect(checkFailure(smelt('--dump-dmesg', input, log))).toBe(
      `smelt: ${log}: already exists -f overwrites it.`,
    );
    expect(text()).toBe('precious');
    expect(smelt('-f', '--dump-dmesg', input, log).status).toBe(0);
    expect(text()).toBe(TEXT);
    expect(namesIn(out)).toEqual(['log']);
  });

  test('never writes through a symbolic link, nor over its input', () => {
    for (const from of ['log', 'log.incomplete']) {
      writeFileSync(join(out, 'real'), 'precious');
      symlinkSync('real', join(out, from));
      checkFailure(smelt('--dump-dmesg', input, log));
      if (from === 'log') checkFailure(smelt('-f', '--dump-dmesg', input, log));
      expect(readlinkSync(join(out, from))).toBe('real');
      expect(text(join(out, 'real'))).toBe('precious');
      rmSync(join(out, from));
    }
    linkSync(input, join(out, 'hard'));
    expect(checkFailure(smelt('-f', '--dump-dmesg', input, join(out, 'hard')))).toContain(
      'is the input itself',
    );
  });

  test('keeps what it has where there is no more room, under the temporary name', () => {
    const many = join(dir, 'many');
    buildVmcore({ path: many, dmesg: Array.from({ length: 60 }, (_, i) => `${i} ${'x'.repeat(200)}`) });
    const result = smeltAfter('ulimit -f 4', '--dump-dmesg', many, log);
    const said = checkFailure(result);
    expect(said).toContain('larger than the file system or the limit allows (EFBIG)');
    expect(said).toContain(`what was written of the log is in ${log}.incomplete`);
    expect(namesIn(out)).toEqual(['log.incomplete']);
    expect(statSync(`${log}.incomplete`).size).toBe(4096);
  });

  test.each([
    ['VMCOREINFO does not lead to it', () => without, 'the kernel log cannot be found'],
    ['nothing of it can be read', () => damaged, 'no record of the kernel log can be read'],
  ])('fails in one sentence and leaves nothing where %s', (_, core, sentence) => {
    const result = smelt('--json', '--dump-dmesg', core(), log);
    expect(checkFailure(result)).toContain(sentence);
    expect(failureOf(result).error).toMatchObject({ code: 'NO_LOG', exitCode: 1 });
    expect(namesIn(out)).toEqual([]);
  });

  test('says that the memory is ciphertext where that is why', () => {
    // All of memory is what a host sees of its SEV guest: noise.
    const core = readFileSync(input);
    const from = core.indexOf('VMCOREINFO') + 4096;
    let state = 1;
    for (let i = Math.ceil(from / 4096) * 4096; i + 4 <= core.length; i += 4) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      core.writeInt32LE(state, i);
    }
    writeFileSync(noise, core);
    const result = smelt('--json', '--dump-dmesg', noise, log);
    checkFailure(result);
    expect(failureOf(result).error.code).toBe('CIPHERTEXT');
    expect(namesIn(out)).toEqual([]);
  });

  test('writes nothing to a place that is not known to be encrypted, when that is asked for', () => {
    const result = smelt(
      '--json',
      '--require-encrypted-target',
      '--dump-dmesg',
      input,
      '/dev/shm/smelt-test-log',
    );
    expect(checkFailure(result)).toMatch(/the log (would|might) not be encrypted/);
    expect(failureOf(result).error.code).toBe('UNENCRYPTED');
    expect(run(['ls', '/dev/shm/smelt-test-log']).status).not.toBe(0);
  });

  test('takes the options of a dump collector, and writes the same log', () => {
    expect(smelt('--dump-dmesg', input, log).status).toBe(0);
    const plain = text();
    for (const options of ['-l -d 31 --message-level 7', '-c --num-threads 2 -L 10M', '-d 1,31 -E']) {
      expect(smelt(...options.split(' '), '-f', '--dump-dmesg', input, log).status).toBe(0);
      expect(text()).toBe(plain);
    }
  });

  test.each([
    ['--dry-run', '--dry-run'],
    ['--config rules', '--config'],
    ['--split', '--split'],
    [`--save-dmesg ${log}2`, '--save-dmesg'],
  ])('refuses %s', (options, name) => {
    const said = checkFailure(smelt('--dump-dmesg', ...options.split(' '), input, log));
    expect(said).toContain(`${name} means nothing with --dump-dmesg`);
    expect(namesIn(out)).toEqual([]);
  });
});

describe('--save-dmesg', () => {
  const save = (...options: string[]) =>
    smelt('-z', '-d', '31', '--num-threads', '0', '--save-dmesg', log, ...options, input, path);

  test('saves the log before the dump, and tells so twice', () => {
    const { status, stderr, stdout } = save('--json');
    expect(status).toBe(0);
    expect(text()).toBe(TEXT);
    expect(statSync(log).mode & 0o7777).toBe(0o600);
    expect(parseKdump(path).signature).toBe('KDUMP   ');
    expect(namesIn(out)).toEqual(['dump', 'log']);
    const [first, second] = stderr.split('\n').filter((line) => /kernel log|dump complete/.test(line));
    expect(first).toBe(`kernel log saved: ${log} (3 records, ${TEXT.length} B)`);
    expect(second).toContain('dump complete');
    expect(stderr).toMatch(new RegExp(`^ {2}log +${log}: 3 records, ${TEXT.length} B$`, 'm'));
    const report = (JSON.parse(stdout) as JsonReport).report;
    expect(report.log).toMatchObject({ path: log, records: 3, lostRecords: 0, sizeBytes: TEXT.length });
  });

  test('keeps the log of a dump that fails', () => {
    const result = smeltAfter(
      'ulimit -f 8',
      '-z',
      '-d',
      '31',
      '--num-threads',
      '0',
      '--save-dmesg',
      log,
      input,
      path,
    );
    checkFailure(result);
    expect(text()).toBe(TEXT);
    expect(namesIn(out)).toEqual(['dump.incomplete', 'log']);
  });

  test('keeps the log where DUMPFILE cannot be begun', () => {
    mkdirSync(path);
    checkFailure(save());
    expect(text()).toBe(TEXT);
    expect(namesIn(out)).toEqual(['dump', 'log']);
  });

  test('keeps the log of an input that is cut short', () => {
    const cut = join(out, 'cut');
    expect(smelt('-d', '0', '--num-threads', '0', input, cut).status).toBe(0);
    // The kernel image is written first.
    truncateSync(cut, statSync(cut).size - 2 ** 20);
    const result = smelt('-z', '-d', '0', '--save-dmesg', log, cut, path);
    expect(checkFailure(result)).toContain('lie behind the end of the file');
    expect(text()).toBe(TEXT);
  });

  test.each<[string, () => string, RegExp, () => void]>([
    ['exists', () => input, /already exists/, () => writeFileSync(log, 'precious')],
    ['is a link', () => input, /is a symbolic link/, () => symlinkSync('nowhere', log)],
    ['is in no directory', () => input, /no such file/, () => rmSync(out, { recursive: true })],
    ['would have no log in it', () => without, /cannot be found/, () => {}],
    ['would have no record in it', () => damaged, /no record of the kernel log/, () => {}],
  ])('makes the dump, and warns, where LOGFILE %s', (_, core, why, prepare) => {
    const elsewhere = join(dir, 'elsewhere');
    prepare();
    rmSync(elsewhere, { force: true });
    const result = smelt('--json', '-z', '-d', '31', '--save-dmesg', log, core(), elsewhere);
    expect(result.status).toBe(0);
    expect(parseKdump(elsewhere).signature).toBe('KDUMP   ');
    const report = reportOf(result);
    expect(report.log).toBeNull();
    expect(report.warnings.join()).toMatch(why);
    expect(report.warnings.join()).toContain('the kernel log is not saved: ');
  });

  test('is refused where LOGFILE is one of the other files, by any name', () => {
    symlinkSync('.', join(out, 'same'));
    for (const name of ['dump', './dump', '../out/dump', 'same/dump', 'dump.incomplete']) {
      const result = smelt('-f', '--save-dmesg', `${out}/${name}`, input, path);
      expect(checkFailure(result)).toContain('is DUMPFILE too');
    }
    expect(checkFailure(smelt('--save-dmesg', path, input, `${path}.incomplete`))).toContain(
      'is DUMPFILE too',
    );
    expect(checkFailure(smelt('-f', '--save-dmesg', input, input, path))).toContain('is the input itself');
    expect(namesIn(out)).toEqual(['same']);
  });

  test('writes nothing at all where the log or the dump would not be encrypted, when that is asked for', () => {
    const shm = '/dev/shm/smelt-test-log';
    for (const [logFile, dumpFile] of [
      [shm, path],
      [log, '/dev/shm/smelt-test-dump'],
    ]) {
      const result = smelt(
        '--json',
        '--require-encrypted-target',
        '--save-dmesg',
        logFile,
        '-z',
        input,
        dumpFile,
      );
      checkFailure(result);
      expect(failureOf(result).error.code).toBe('UNENCRYPTED');
    }
    expect(namesIn(out)).toEqual([]);
    expect(run(['ls', shm]).status).not.toBe(0);
  });

  test.each([
    ['--dry-run --save-dmesg log', '--dry-run writes nothing'],
    ['--save-dmesg -', 'not to standard output'],
    ['--save-dmesg=', 'the name of the LOGFILE file is empty'],
  ])('%s is refused', (options, why) => {
    expect(checkFailure(smelt(...options.split(' '), input, path))).toContain(why);
    expect(namesIn(out)).toEqual([]);
  });
});
