import { describe, expect, it } from 'vitest';
import { captureEncryption } from '../../../src/sme/verdict/capture.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { machine } from '../live/trees.ts';

const files = tempFiles();
const BOOT = '[    0.000000] Linux version 6.12.1 (build@host) #1 SMP\n';
const state = (log: string | null, commandLine: string | null, flags: string | null = 'sme sev') =>
  captureEncryption(
    machine(files, undefined, {
      'proc/sys/kernel/osrelease': '6.12.1\n',
      'var/log/dmesg': log,
      'proc/cmdline': commandLine,
      'proc/cpuinfo': flags === null ? null : `processor\t: 0\nflags\t\t: fpu ${flags}\n`,
    }),
  );

describe('what the running kernel encrypts', () => {
  it('is what it said when it booted, whatever it was asked for', () => {
    expect(state(`${BOOT}[    0.1] Memory Encryption Features active: AMD SME\n`, 'mem_encrypt=off')).toBe(
      'SME',
    );
    expect(state(`${BOOT}[    0.1] Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP\n`, '')).toBe(
      'SEV-SNP',
    );
    expect(state(`${BOOT}[    0.1] something else\n`, 'mem_encrypt=on')).toBe('none');
  });

  it('is what it was asked for last, where there is no log', () => {
    expect(state(null, 'root=/dev/sda mem_encrypt=off mem_encrypt=on quiet\n')).toBe('SME');
    expect(state(null, 'mem_encrypt=on mem_encrypt=off\n')).toBe('none');
  });

  it('is not known of a guest without a log: its memory is encrypted whatever was asked for', () => {
    expect(state(null, 'mem_encrypt=on', 'hypervisor sev')).toBeUndefined();
    expect(state(null, 'mem_encrypt=off', 'sev hypervisor')).toBeUndefined();
    expect(state(null, 'mem_encrypt=on', null)).toBeUndefined();
  });

  it('is not known where neither says', () => {
    expect(state(null, 'root=/dev/sda xmem_encrypt=on mem_encrypt=onwards\n')).toBeUndefined();
    expect(state(null, null)).toBeUndefined();
  });
});
