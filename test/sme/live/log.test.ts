/** What the kernel log says of encryption, in all the words that Linux has had for it. */
import { describe, expect, it } from 'vitest';
import { factsOfLog, readKernelLog } from '../../../src/sme/live/log.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { machine } from './trees.ts';

const files = tempFiles();
const RELEASE = '6.1.0-56-amd64';
const START = `[    0.000000] Linux version ${RELEASE} (gcc) #1 SMP`;
const at = (path: string, lines: readonly string[]) =>
  machine(files, undefined, { [path]: `${lines.join('\n')}\n` });
const factsOf = (lines: readonly string[], path = 'var/log/dmesg') =>
  factsOfLog(readKernelLog(at(path, lines), RELEASE));

describe('the kernel log', () => {
  it.each([
    ['AMD Secure Memory Encryption (SME) active', 'SME'],
    ['AMD Secure Encrypted Virtualization (SEV) active', 'SEV'],
    ['AMD Memory Encryption Features active: SME', 'SME'],
    ['AMD Memory Encryption Features active: SEV SEV-ES', 'SEV-ES'],
    ['Memory Encryption Features active: AMD SME', 'SME'],
    ['Memory Encryption Features active: AMD SEV', 'SEV'],
    ['Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP', 'SEV-SNP'],
    ['Memory Encryption Features active: Intel TDX', 'TDX'],
  ])('%j means %s', (line, kind) => {
    const facts = factsOf([START, `[    0.308511] ${line}`]);
    expect(facts.line).toEqual({ value: line, source: '/var/log/dmesg' });
    expect(facts.encryption).toEqual({ value: kind, source: '/var/log/dmesg' });
  });

  it('that begins with the boot and names nothing says that nothing is active', () => {
    const facts = factsOf([START, '[    0.1] systemd: Memory Encryption Features active: AMD SME?']);
    expect(facts.encryption).toEqual({ value: 'none', source: '/var/log/dmesg names none' });
    expect(facts.line.value).toBeUndefined();
  });

  it('in syslog files is that of the last boot', () => {
    const syslog = (text: string) => `2026-02-03T04:05:06.7+00:00 host kernel: ${text}`;
    const facts = factsOf(
      [
        START,
        '[    0.3] Memory Encryption Features active: AMD SME',
        START,
        '[    0.0] Hypervisor detected: KVM',
      ].map(syslog),
      'var/log/kern.log',
    );
    expect(facts.encryption.value).toBe('none');
    expect(facts.hypervisor).toEqual({ value: 'KVM', source: '/var/log/kern.log' });
  });

  it('of another kernel, or without the start of a boot, says nothing', () => {
    const line = '[    0.3] Memory Encryption Features active: AMD SME';
    const other = START.replace(RELEASE, '6.1.0-55-amd64');
    for (const lines of [[other, line], [line]]) {
      const facts = factsOf(lines);
      expect(facts.encryption.value).toBeUndefined();
      expect(facts.encryption.source).toMatch(/does not have the start of this boot/);
    }
  });

  it('is looked for in the files of a tree, never in the device of the machine below', () => {
    expect(readKernelLog(machine(files, undefined), RELEASE)).toEqual({
      reason: '/var/log/dmesg: no such file (ENOENT); /var/log/kern.log: no such file (ENOENT)',
    });
  });

  it('of this machine can be read to its end without waiting for more', ({ skip }) => {
    const log = readKernelLog('/', undefined);
    skip('reason' in log, 'reason' in log ? log.reason : '');
    expect(log).toMatchObject({ source: '/dev/kmsg' });
    if ('messages' in log) expect(log.messages.length).toBeGreaterThan(0);
  });
});
