/** The crash kernel and its command line, as each distribution's tools put them together. */
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readKdump } from '../../../src/sme/live/kdump.ts';
import { lastOption, memEncryptOf, readConfig } from '../../../src/sme/live/kernel.ts';
import { known, unknown } from '../../../src/sme/live/report.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { type Change, machine } from './trees.ts';

const files = tempFiles();
const RUNNING = '6.1.0-56-amd64';
const kdumpOf = (
  changes: Record<string, Change>,
  cmdline = 'root=/dev/sda1 quiet mem_encrypt=on crashkernel=256M',
) => readKdump(machine(files, undefined, changes), known(RUNNING, 'uname'), known(cmdline, '/proc/cmdline'));
const fedora = (settings: string, more: Record<string, Change> = {}) =>
  kdumpOf({ 'etc/sysconfig/kdump': settings, 'etc/os-release': 'ID=fedora\n', ...more });
const suse = (settings: string, more: Record<string, Change> = {}) =>
  kdumpOf({ 'etc/sysconfig/kdump': settings, 'etc/os-release': 'ID="sles"\nID_LIKE="suse"\n', ...more });
const debian = (settings: string, more: Record<string, Change> = {}) =>
  kdumpOf({ 'etc/default/kdump-tools': settings, ...more });

describe('the crash command line', () => {
  it('of kdump-utils is the running one without what is always or by settings removed, and with what is appended', () => {
    const report = fedora('KDUMP_COMMANDLINE_REMOVE="quiet swiotlb"\nKDUMP_COMMANDLINE_APPEND="nr_cpus=1"\n');
    expect(report.tools.value).toBe('kdump-utils');
    expect(report.commandLine).toEqual({
      value: 'mem_encrypt=on nr_cpus=1',
      source: '/proc/cmdline, as /etc/sysconfig/kdump takes it over',
    });
    expect(report.memEncrypt.value).toBe('on');
  });

  it('of kdump-utils loses mem_encrypt= when the settings remove it, with or without a value', () => {
    for (const name of ['mem_encrypt', 'mem_encrypt=on']) {
      const report = fedora(`KDUMP_COMMANDLINE_REMOVE="${name}"\n`);
      expect(report.commandLine).toEqual({ value: 'quiet', source: '/etc/sysconfig/kdump' });
    }
  });

  it('of kdump-utils may be one of its own, which is cut down likewise', () => {
    const report = fedora(
      'KDUMP_COMMANDLINE="root=/dev/sdb mem_encrypt=off foo=\\"a b\\""\nKDUMP_COMMANDLINE_REMOVE="foo"\n',
    );
    expect(report.commandLine).toEqual({ value: 'mem_encrypt=off', source: '/etc/sysconfig/kdump' });
  });

  it('of kdump-tools leaves its own base as it is', () => {
    expect(debian('').commandLine.value).toBe('root=/dev/sda1 quiet mem_encrypt=on');
    const own = debian('KDUMP_CMDLINE="crashkernel=1M x"\nKDUMP_CMDLINE_APPEND="mem_encrypt=off"\n');
    expect(own.commandLine).toEqual({
      value: 'crashkernel=1M x mem_encrypt=off',
      source: '/etc/default/kdump-tools',
    });
    expect(own.memEncrypt.value).toBe('off');
  });

  it("of SUSE's kdump knows nothing of KDUMP_COMMANDLINE_REMOVE", () => {
    const report = suse('KDUMP_COMMANDLINE_REMOVE="mem_encrypt"\nKDUMP_COMMANDLINE_APPEND="panic=1"\n');
    expect(report.tools.value).toBe('SUSE kdump');
    expect(report.commandLine.value).toBe('quiet mem_encrypt=on panic=1');
  });

  it('is not known where the settings are more than assignments', () => {
    const report = fedora(
      'KDUMP_COMMANDLINE_APPEND="a"\n[ -e /x ] && KDUMP_COMMANDLINE_APPEND="mem_encrypt=off"\n',
    );
    expect(report.commandLine).toEqual({
      value: undefined,
      source: '/etc/sysconfig/kdump: line 2 is no plain assignment',
    });
    expect(report.memEncrypt.value).toBeUndefined();
  });
});

describe('the crash kernel', () => {
  it('of kdump-utils is the running one, or the one of KDUMP_KERNELVER', () => {
    expect(fedora('KDUMP_KERNELVER=""\n').release.value).toBe(RUNNING);
    expect(fedora('KDUMP_KERNELVER=6.2.1\n').release.value).toBe('6.2.1');
    expect(fedora('KDUMP_KERNELVER=../../etc/passwd\n').release.value).toBeUndefined();
  });

  it('of kdump-utils may be another one when a debug kernel runs', () => {
    const root = machine(files, undefined, { 'etc/sysconfig/kdump': '' });
    const debug = readKdump(root, known('6.2.1.x86_64+debug', 'uname'), known('', '/proc/cmdline'));
    expect(debug.release.value).toBeUndefined();
  });

  it('of kdump-tools is what the link shows, followed below the root', () => {
    const settings = 'KDUMP_KERNEL=/var/lib/kdump/vmlinuz\n';
    const root = machine(files, 'epyc-debian');
    const linked = readKdump(root, known('6.1.0-1', 'uname'), known('', '/proc/cmdline'));
    expect(linked.release).toEqual({ value: RUNNING, source: '/var/lib/kdump/vmlinuz' });
    // As kdump-config makes it: an absolute one, of the machine that is looked at.
    rmSync(join(root, 'var/lib/kdump/vmlinuz'));
    symlinkSync('/boot/vmlinuz-6.1.0-2', join(root, 'var/lib/kdump/vmlinuz'));
    expect(readKdump(root, known('6.1.0-1', 'uname'), known('', '/proc/cmdline')).release.value).toBe(
      '6.1.0-2',
    );
    expect(debian(settings).release.value).toBeUndefined();
    expect(debian('').release.value).toBe(RUNNING);
  });

  it("of SUSE's kdump is the one that was prepared, else the one of KDUMP_KERNELVER", () => {
    const prepared = { 'var/lib/kdump/kernel-version': '6.4.0-1-default\n' };
    expect(suse('', prepared).release.value).toBe('6.4.0-1-default');
    expect(suse('KDUMP_KERNELVER=/boot/vmlinuz-6.4.0-2-default\n').release.value).toBe('6.4.0-2-default');
    expect(suse('').release.value).toBeUndefined();
  });
});

describe('mem_encrypt', () => {
  const config = (...options: string[]) => known<ReadonlySet<string>>(new Set(options), '/boot/config');
  const built = config('AMD_MEM_ENCRYPT');
  const byDefault = config('AMD_MEM_ENCRYPT', 'AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT');
  const none = unknown('no configuration');
  const old = known('5.10.0', 'uname');

  it.each([
    ['mem_encrypt=on', built, 'on'],
    ['mem_encrypt=on mem_encrypt=off', built, 'off'],
    ['mem_encrypt=on', none, 'on'],
    ['', built, 'off'],
    ['', byDefault, 'on'],
    ['mem_encrypt=off', byDefault, 'off'],
    ['mem_encrypt=maybe', byDefault, 'on'],
    ['xmem_encrypt=on', built, 'off'],
    ['mem_encrypt=on', config('X86_64'), 'off'],
    ['', none, undefined],
  ] as const)('with %j and what is built in is %s', (line, options, state) => {
    expect(memEncryptOf(known(line, '/proc/cmdline'), options, old).value).toBe(state);
  });

  it('is off by default since Linux 6.9, whatever the configuration is', () => {
    expect(memEncryptOf(known('', '/proc/cmdline'), none, known('6.9.1', 'uname')).value).toBe('off');
  });

  it('is the last of several, as the kernel has it, also within quotes', () => {
    expect(lastOption('a=1 mem_encrypt=on\tb="x mem_encrypt=off" ', 'mem_encrypt')).toBe('off"');
    expect(lastOption('mem_encrypt', 'mem_encrypt')).toBeUndefined();
  });
});

describe('the configuration of a kernel', () => {
  const running = known('6.1.0', 'uname');
  const text = '# Linux\nCONFIG_X86_64=y\nCONFIG_AMD_MEM_ENCRYPT=y\nCONFIG_X86_MSR=m\n';

  it('is in /boot, or that of the running kernel in /proc/config.gz', () => {
    const boot = readConfig(machine(files, undefined, { 'boot/config-6.1.0': text }), running, running);
    const proc = readConfig(
      machine(files, undefined, { 'proc/config.gz': gzipSync(text) }),
      running,
      running,
    );
    for (const config of [boot, proc])
      expect([...config.value!].sort()).toEqual(['AMD_MEM_ENCRYPT', 'X86_64']);
    const other = readConfig(
      machine(files, undefined, { 'proc/config.gz': gzipSync(text) }),
      known('6.2', ''),
      running,
    );
    expect(other.value).toBeUndefined();
  });

  it('is not known from what is none, what cannot be unpacked, or what unpacks without end', () => {
    const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20));
    for (const [path, content] of [
      ['boot/config-6.1.0', 'nothing of the kind'],
      ['proc/config.gz', 'not packed'],
      ['proc/config.gz', bomb],
    ] as const) {
      expect(
        readConfig(machine(files, undefined, { [path]: content }), running, running).value,
      ).toBeUndefined();
    }
  });
});
