/** How much memory is reserved for the crash kernel, and how much should be. */
import { describe, expect, it } from 'vitest';
import { readMemory } from '../../../src/sme/live/memory.ts';
import { type Encryption, type KdumpTools, known, unknown } from '../../../src/sme/live/report.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { type Change, machine } from './trees.ts';

const files = tempFiles();
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const memoryOf = (
  changes: Record<string, Change>,
  { tools = undefined as KdumpTools | undefined, encryption = 'none' as Encryption } = {},
) =>
  readMemory(
    machine(files, undefined, changes),
    known('ro crashkernel=1M crashkernel=256M', '/proc/cmdline'),
    tools === undefined ? unknown('no tools') : known(tools, ''),
    known(encryption, ''),
  );
const iomem = (bytes: number, ...crash: string[]) => ({
  'proc/iomem': [`00100000-${(0x100000 + bytes - 1).toString(16)} : System RAM`, ...crash, ''].join('\n'),
});

describe('the memory for a crash kernel', () => {
  it('is both parts of crashkernel=…,high', () => {
    const { reservedBytes } = memoryOf(
      iomem(GIB, '  20000000-247fffff : Crash kernel', '  5e7f000000-5e8cffffff : Crash kernel'),
    );
    expect(reservedBytes).toEqual({ value: (72 + 224) * MIB, source: '/proc/iomem' });
  });

  it('is what /sys says where addresses are not for everybody', () => {
    const { reservedBytes, ramBytes } = memoryOf({
      'proc/iomem': '00000000-00000000 : System RAM\n  00000000-00000000 : Crash kernel\n',
      'proc/meminfo': 'MemTotal:       16384 kB\n',
      'sys/kernel/kexec_crash_size': '268435456\n',
    });
    expect(reservedBytes).toEqual({ value: 256 * MIB, source: '/sys/kernel/kexec_crash_size' });
    expect(ramBytes).toEqual({ value: 16 * MIB, source: '/proc/meminfo' });
  });

  it('is asked for by the last crashkernel=', () => {
    expect(memoryOf({}).crashkernel).toEqual({ value: '256M', source: '/proc/cmdline' });
  });

  it.each([
    ['kdump-utils', 'none', 2 * GIB, 256],
    ['kdump-utils', 'none', 64 * GIB - 100 * MIB, 512],
    ['kdump-utils', 'none', 64 * GIB - 200 * MIB, 256],
    ['kdump-utils', 'SME', 64 * GIB, 576],
    ['kdump-utils', 'SEV-SNP', 16 * GIB, 320],
    ['SUSE kdump', 'SME', 16 * GIB, 320],
    [undefined, 'none', 16 * GIB, 256],
  ] as const)('should be, for %s and %s and %d bytes, %d MiB', (tools, encryption, bytes, mib) => {
    const memory = memoryOf(iomem(bytes), { tools, encryption });
    expect(memory.wantedBytes.value).toBe(mib * MIB);
    expect(memory.isRuleOfThumb).toBe(tools !== 'kdump-utils');
    if (memory.isRuleOfThumb) expect(memory.wantedBytes.source).toMatch(/rule of thumb/);
  });

  it("should be Debian's default there, but not on Ubuntu, which has the same tools", () => {
    const on = (id: string) =>
      memoryOf(
        { ...iomem(GIB), 'etc/os-release': `ID=${id}\n` },
        { tools: 'kdump-tools', encryption: 'SME' },
      );
    expect(on('debian').wantedBytes.value).toBe(192 * MIB);
    expect(on('ubuntu').wantedBytes.value).toBe(320 * MIB);
  });

  it('is judged by the rule of thumb on a machine for which there is no default', () => {
    expect(memoryOf(iomem(GIB), { tools: 'kdump-utils' })).toMatchObject({
      wantedBytes: { value: 256 * MIB },
      isRuleOfThumb: true,
    });
  });
});
