/** --config: the rules are read, and what they erase is found, before anything is written. */

import { closeSync } from 'node:fs';
import { CachedMemory } from '../arch/memory.ts';
import { PageTableWalker } from '../arch/page-table.ts';
import { SmeltError } from '../errors.ts';
import { type Plan, windowSpan } from '../filter/plan.ts';
import { type EraseCommand, MAX_CONFIG_BYTES, parseEraseConfig, symbolsOf } from '../kernel/erase/config.ts';
import { type ErasePlan, eraseInfo, erasePlan } from '../kernel/erase/eraser.ts';
import { KernelData } from '../kernel/erase/kernel-data.ts';
import { type EraseRanges, eraseRanges } from '../kernel/erase/ranges.ts';
import { architectureOf } from '../kernel/machine.ts';
import { Vmlinux } from '../kernel/vmlinux/vmlinux.ts';
import { testBit } from '../read/bitmap.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { comma, openForReading, readPart } from '../read/file.ts';
import type { Described } from './input.ts';
import type { KeptBits } from './sums.ts';

export interface Erasing {
  readonly plan: ErasePlan;
  readonly found: EraseRanges;
}

/** What the output says of it: what was erased from the input before, and what is now of pages that are kept. */
export function eraseInfoIn(
  file: DumpFile,
  plan: Plan,
  kept: KeptBits,
  erasing: Erasing | undefined,
): Uint8Array {
  const before = file.format === 'kdump' ? file.eraseInfo : new Uint8Array(0);
  if (erasing === undefined) return before;
  // Page frames come in ascending order, and so do windows.
  let index = 0;
  let bits: Uint8Array | undefined;
  const isKept = (pfn: number): boolean => {
    let next = index;
    while (next < plan.starts.length && pfn >= plan.starts[next]! + plan.windowPages) next++;
    if (next === plan.starts.length || pfn < plan.starts[next]!) return false;
    if (next !== index) bits = undefined;
    index = next;
    bits ??= kept.read(index);
    const { pfn: start, count } = windowSpan(plan, index);
    return pfn - start < count && testBit(bits, pfn - start);
  };
  return Buffer.concat([before, Buffer.from(eraseInfo(erasing.plan, erasing.found, isKept), 'latin1')]);
}

/** @throws SmeltError for a file that is none */
export function readEraseConfig(path: string): EraseCommand[] {
  const { fd, fileBytes } = openForReading(path);
  try {
    if (fileBytes > MAX_CONFIG_BYTES) {
      throw new SmeltError('CORRUPT', `${path}: has ${comma(fileBytes)} bytes, more than rules take`, {
        hint: 'Is it the right file? makedumpfile.conf(5) says what is in it.',
      });
    }
    return parseEraseConfig(path, readPart(path, fd, 'the file', 0, fileBytes).toString('latin1'));
  } finally {
    closeSync(fd);
  }
}

/** @throws SmeltError where the rules cannot be followed: a dump in which something was not erased is not written */
export async function findErasures(
  path: string,
  commands: readonly EraseCommand[],
  vmlinuxFile: string,
  { file, reader, description }: Described,
  look: () => Promise<void>,
): Promise<Erasing> {
  const { machine, info } = description;
  const { memoryMap } = machine;
  if (info === undefined || memoryMap === undefined) {
    throw new SmeltError(
      'UNDECIDABLE',
      `${file.path}: what is to be erased cannot be found: ${machine.unreadable}`,
      {
        hint: 'Without --config the dump can be written, with all that is in it.',
      },
    );
  }
  const vmlinux = await Vmlinux.open(vmlinuxFile, look);
  try {
    const { tableFormat } = architectureOf(file);
    const walker = new PageTableWalker(new CachedMemory(reader), tableFormat, memoryMap.tables);
    const structures = new Set(commands.flatMap(({ loop }) => loop?.within?.structure ?? []));
    const names = { variables: symbolsOf(commands), structures };
    const data = await KernelData.open(vmlinux, names, info, walker, look);
    const found = await eraseRanges(path, commands, data, walker, look);
    const plan = erasePlan(found, file.pageSize);
    const nothing = plan.paddr.length === 0 ? [`${path}: its rules erase nothing of this dump`] : [];
    return { plan, found: { ...found, warnings: [...found.warnings, ...nothing] } };
  } finally {
    vmlinux.close();
  }
}
