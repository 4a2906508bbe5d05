/** What is known of the crashed machine, or why it is not. */
import { describe, expect, it } from 'vitest';
import {
  architectureOf,
  compareWithKnownKernels,
  describeMachine,
  utsField,
} from '../../src/kernel/machine.ts';
import type { DumpFile } from '../../src/read/dump-file.ts';
import { kernelNames } from '../build/kernel-profile.ts';
import type { VmcoreOptions } from '../build/vmcore-options.ts';
import { expectSmeltError, tempFiles } from '../read/temp-files.ts';
import { openVmcore, x86_64 } from './opened.ts';

const files = tempFiles();
const machineOf = (options: Omit<VmcoreOptions, 'path'>) => openVmcore(files, options).machine;

describe('a machine', () => {
  it.each(kernelNames.filter((k) => k !== '4.14'))('with Linux %s is understood', (kernel) => {
    const { machine, built } = openVmcore(files, {
      kernel,
      levels: kernel === '7.3' ? 5 : 4,
      freePages: [1, 2, 3],
    });
    expect(machine).toMatchObject({
      arch: 'x86_64',
      release: `${kernel}.0-smelt`,
      releaseInMemory: `${kernel}.0-smelt`,
      pageTableLevels: kernel === '7.3' ? 5 : 4,
      unreadable: undefined,
      kernelFreePages: 6,
      warnings: [],
    });
    expect(machine.memoryMap?.tables.root).toBe(built.tables.pgdPaddr);
    expect(utsField(machine.utsname!, 'machine')).toBe('x86_64');
    expect(utsField(machine.utsname!, 'sysname')).toBe('Linux');
  });

  it.each([
    ['moved by KASLR', { kernelOffset: 0x200000n, physBase: 0x400000n }],
    ['with the encryption bit 47', { smeMask: 1n << 47n }],
    ['with the encryption bit 51 and five levels', { smeMask: 1n << 51n, levels: 5 }],
    ['with FLATMEM', { memoryModel: 'flatmem' }],
  ] satisfies [string, Omit<VmcoreOptions, 'path'>][])('%s is understood', (_, options) => {
    const machine = machineOf(options);
    expect(machine.unreadable).toBeUndefined();
    expect(machine.memoryMap?.tables.encryptionMask).toBe((options as VmcoreOptions).smeMask ?? 0n);
  });

  it('is plain data, which crosses to worker threads', () => {
    const { memoryMap } = machineOf({});
    expect(structuredClone(memoryMap)).toEqual(memoryMap);
  });

  it('is warned of when it is newer than all that are known', () => {
    const machine = machineOf({ kernel: '7.3', release: '7.9.0' });
    expect(machine.memoryMap).toBeDefined();
    expect(machine.warnings).toEqual([expect.stringMatching(/7\.9\.0 is newer/)]);
  });

  it('is warned of when VMCOREINFO lacks keys', () => {
    const { warnings } = machineOf({ overrides: { 'NUMBER(PG_lru)': undefined } });
    expect(warnings).toEqual([expect.stringMatching(/lacks NUMBER\(PG_lru\): .* kept/)]);
  });
});

describe('a machine is unreadable, and the reason is given,', () => {
  const unreadable = (options: Omit<VmcoreOptions, 'path'>) => {
    const machine = machineOf(options);
    expect(machine.memoryMap).toBeUndefined();
    return machine.unreadable;
  };

  it('without VMCOREINFO', () => {
    const { memory } = openVmcore(files);
    expect(describeMachine(x86_64, memory, undefined, 0n)).toMatchObject({
      unreadable: 'there is no VMCOREINFO',
      memoryMap: undefined,
      release: undefined,
    });
  });

  it.each([
    ['wrong', { 'NUMBER(phys_base)': String(0x1000000) }],
    ['far outside', { 'NUMBER(phys_base)': String(0x1691000000) }],
    ['of all bits', { 'NUMBER(phys_base)': '-1' }],
  ])('with a phys_base that is %s', (_, overrides) => {
    expect(unreadable({ overrides })).toMatch(/page tables/);
  });

  it('without symbols for the page tables', () => {
    const overrides = { 'SYMBOL(init_top_pgt)': undefined, 'SYMBOL(swapper_pg_dir)': undefined };
    expect(unreadable({ overrides })).toMatch(/does not say where the page tables are/);
  });

  it('without init_uts_ns, or with one that is not mapped', () => {
    expect(unreadable({ overrides: { 'SYMBOL(init_uts_ns)': undefined } })).toMatch(/init_uts_ns/);
    expect(unreadable({ overrides: { 'SYMBOL(init_uts_ns)': 'ffffffffff000000' } })).toMatch(/init_uts_ns/);
  });

  it('with another release in memory than in VMCOREINFO', () => {
    expect(unreadable({ overrides: { OSRELEASE: '6.1.0-other' } })).toMatch(
      /"6\.1\.0-smelt".*"6\.1\.0-other"/,
    );
    const machine = machineOf({ overrides: { OSRELEASE: '6.1.0-other' } });
    expect(machine.releaseInMemory).toBe('6.1.0-smelt');
    expect(machine.release).toBe('6.1.0-other');
  });

  it('with an encryption bit in its tables that nobody knows of', () => {
    expect(unreadable({ smeMask: 1n << 47n, overrides: { 'NUMBER(sme_mask)': '0' } })).toMatch(/page tables/);
  });

  it('with the wrong number of levels', () => {
    expect(unreadable({ levels: 5, overrides: { 'NUMBER(pgtable_l5_enabled)': '0' } })).toMatch(
      /page tables/,
    );
  });

  it('without a memory model or struct page', () => {
    expect(unreadable({ overrides: { 'SYMBOL(mem_section)': undefined } })).toMatch(/mem_section/);
    expect(unreadable({ overrides: { 'SIZE(page)': undefined } })).toMatch(/struct page/);
  });
});

describe('releases', () => {
  it.each([
    ['4.14.0', -1],
    ['4.18.0-553.el8', -1],
    ['3.10.0', -1],
    ['4.19.0', 0],
    ['6.12.1+bpo', 0],
    ['7.3.0-rc1', 0],
    ['7.4.0', 1],
    ['7.10', 1],
    ['10.0', 1],
    ['unknown', 0],
    [undefined, 0],
  ] as const)('%s compares as %i with the known ones', (release, order) => {
    expect(compareWithKnownKernels(release)).toBe(order);
  });
});

describe('the architecture of a dump', () => {
  const file = { path: '/dump', machine: 'x86_64', littleEndian: true, pageSize: 4096 } as DumpFile;

  it('is what the file says, and x86-64 where it says nothing', () => {
    expect(architectureOf(file).name).toBe('x86_64');
    expect(architectureOf({ ...file, machine: undefined }).name).toBe('x86_64');
  });

  it.each(['aarch64', 's390x', 'ELF machine 9'])('is refused when it is %s', (machine) => {
    const error = expectSmeltError(
      () => architectureOf({ ...file, machine }),
      'UNSUPPORTED',
      '/dump',
      machine,
    );
    expect(error.hint).toMatch(/x86_64/);
  });

  it('is refused in the other byte order', () => {
    expectSmeltError(() => architectureOf({ ...file, littleEndian: false }), 'UNSUPPORTED');
  });

  it.each([8192, 16384, 65536])(
    'is refused with pages of %i bytes, which x86-64 does not have',
    (pageSize) => {
      expectSmeltError(() => architectureOf({ ...file, pageSize }), 'UNSUPPORTED', '/dump', /pages of/);
    },
  );
});
