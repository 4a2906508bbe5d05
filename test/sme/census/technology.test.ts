/** Which technology a kernel says is active: by its variable, by its log, or not at all. */
import { describe, expect, it } from 'vitest';
import { findTechnology } from '../../../src/sme/census/technology.ts';
import { openVmcore } from '../../kernel/opened.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { IMAGE, KernelMemory } from './kernel-memory.ts';

const files = tempFiles();
const MASK = 1n << 51n;

describe('sev_status', () => {
  const featuresOf = (status: bigint, mask: bigint) => {
    const memory = new KernelMemory().u64(IMAGE + 0x100n, status);
    const symbols = new Map([['sev_status', IMAGE + 0x100n]]);
    return findTechnology(memory.info(), symbols, memory.walker(), mask);
  };

  it.each([
    [0n, ['SME']],
    [1n, ['SEV']],
    [3n, ['SEV', 'SEV-ES']],
    [7n, ['SEV', 'SEV-ES', 'SEV-SNP']],
    [7n | (1n << 3n) | (1n << 17n), ['SEV', 'SEV-ES', 'SEV-SNP']],
  ])('of 0x%i beside a mask says %s', (status, features) => {
    expect(featuresOf(status, MASK)).toEqual({ features, from: 'sev_status' });
  });

  it('says nothing where it is 0 and there is no mask', () => {
    expect(featuresOf(0n, 0n)).toBeUndefined();
  });

  it('tells of a guest without a mask (SEV-SNP with vTOM)', () => {
    expect(featuresOf(0xdn, 0n)).toEqual({ features: ['SEV', 'SEV-SNP'], from: 'sev_status' });
  });

  it('is not believed where it says SEV-ES without SEV', () => {
    for (const status of [2n, 4n, 6n, 0x7265_7574_6165_4620n])
      expect(featuresOf(status, MASK)).toBeUndefined();
  });
});

describe('the kernel log', () => {
  const logged = (...dmesg: string[]) => {
    const { info, walker } = openVmcore(files, { dmesg });
    return findTechnology(info, undefined, walker, MASK)?.features;
  };

  it.each([
    ['Memory Encryption Features active: AMD SME', ['SME']],
    ['Memory Encryption Features active: AMD SEV', ['SEV']],
    ['Memory Encryption Features active: AMD SEV SEV-ES', ['SEV', 'SEV-ES']],
    ['Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP', ['SEV', 'SEV-ES', 'SEV-SNP']],
    ['Memory Encryption Features active: Intel TDX', ['Intel TDX']],
    ['AMD Memory Encryption Features active: SEV SEV-ES', ['SEV', 'SEV-ES']],
    ['AMD Memory Encryption Features active: SME', ['SME']],
    ['AMD Secure Memory Encryption (SME) active', ['SME']],
    ['AMD Secure Encrypted Virtualization (SEV) active', ['SEV']],
  ])('that has "%s" says %s', (line, features) => {
    expect(logged('Linux version 6.1', line, 'SEV-SNP SME')).toEqual(features);
  });

  it.each(['Memory Encryption Features active:', 'Memory Encryption Features active: AMD', 'AMD SME', ''])(
    'that has "%s" says nothing',
    (line) => {
      expect(logged('Linux version 6.1', line)).toBeUndefined();
    },
  );

  it('of an old kernel is looked through too', () => {
    const dmesg = ['AMD Secure Memory Encryption (SME) active'];
    const { info, walker } = openVmcore(files, { kernel: '4.19', dmesg });
    expect(findTechnology(info, undefined, walker, MASK)).toEqual({ features: ['SME'], from: 'kernel log' });
  });

  it('counts only where the variable says nothing', () => {
    const { info, walker, built } = openVmcore(files, {
      dmesg: ['Memory Encryption Features active: Intel TDX'],
    });
    // node_online_map has the value 1.
    const symbols = new Map([['sev_status', built.tables.image.symbol('node_online_map')]]);
    expect(findTechnology(info, symbols, walker, 0n)).toEqual({ features: ['SEV'], from: 'sev_status' });
    const nowhere = new Map([['sev_status', 0xffffffff00000000n]]);
    expect(findTechnology(info, nowhere, walker, 0n)?.features).toEqual(['Intel TDX']);
  });
});
