/** A synthetic vmcore, built and opened as far as the tests of src/kernel and src/filter need it. */

import type { Arch } from '../../src/arch/arch.ts';
import { archByName } from '../../src/arch/architectures.ts';
import { CachedMemory } from '../../src/arch/memory.ts';
import { PageTableWalker } from '../../src/arch/page-table.ts';
import { describeMachine, type Machine } from '../../src/kernel/machine.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import type { DumpFile, MemoryReader } from '../../src/read/dump-file.ts';
import { createReader } from '../../src/read/open.ts';
import { chooseMask } from '../../src/sme/mask.ts';
import { type BuiltVmcore, buildVmcore } from '../build/vmcore.ts';
import type { VmcoreOptions } from '../build/vmcore-options.ts';
import type { TempFiles } from '../read/temp-files.ts';

export const x86_64: Arch = archByName('x86_64')!;

export interface OpenedVmcore {
  readonly built: BuiltVmcore;
  readonly file: DumpFile;
  readonly reader: MemoryReader;
  readonly memory: CachedMemory;
  readonly info: Vmcoreinfo;
  readonly walker: PageTableWalker;
  readonly machine: Machine;
}

/** Builds and opens; VMCOREINFO is the builder's, also where no note carries it. */
export function openVmcore(files: TempFiles, options: Omit<VmcoreOptions, 'path'> = {}): OpenedVmcore {
  const built = buildVmcore({ path: files.path('vmcore'), ...options });
  const file = files.open(built.path);
  const reader = createReader(file, false, []);
  const memory = new CachedMemory(reader);
  const info = new Vmcoreinfo(built.vmcoreinfoText);
  const { mask } = chooseMask(info.number('sme_mask'), undefined);
  const tables = {
    root: built.tables.pgdPaddr,
    levels: options.levels ?? 4,
    encryptionMask: options.smeMask ?? 0n,
  };
  return {
    built,
    file,
    reader,
    memory,
    info,
    walker: new PageTableWalker(memory, x86_64.tableFormat, tables),
    machine: describeMachine(x86_64, memory, info, mask),
  };
}
