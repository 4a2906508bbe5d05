/** What is in the file, as its headers, bitmaps and descriptors say it. */

import { fstatSync } from 'node:fs';
import { countDescriptors } from '../../read/descriptors.ts';
import type { DumpFile, Extents } from '../../read/dump-file.ts';
import { endOf, pfnRuns } from '../../read/extents.ts';
import { pagesOfAll } from '../../read/kdump-file.ts';
import { countTakenOut } from '../../salvage/taken-out.ts';
import type { FileReport, MemoryReport } from './report.ts';

const MAX_ERASED = 1000;
const MAX_ERASE_BYTES = 1024 * 1024;

export function memoryReport({ memory, pageSize }: DumpFile): MemoryReport {
  const { paddr, sizeBytes } = memory;
  const bytes = sizeBytes.reduce((sum, size) => sum + size, 0);
  let holes = 0;
  for (let i = 1; i < paddr.length; i++) if (paddr[i - 1]! + sizeBytes[i - 1]! < paddr[i]!) holes++;
  const firstPaddr = paddr[0] ?? 0;
  const endPaddr = endOf(memory);
  return {
    pageSizeBytes: pageSize,
    sizeBytes: bytes,
    pages: framesOf(memory, pageSize),
    holes,
    holeBytes: Math.max(0, endPaddr - firstPaddr - bytes),
    firstPaddr,
    endPaddr,
  };
}

/** In steps. `claimed`: memory that an ELF core should have the bytes of, where it is cut short. */
export function* fileReport(file: DumpFile, claimed = ofElf(file)): Generator<void, FileReport> {
  const pages = framesOf(file.memory, file.pageSize);
  if (file.format === 'elf') {
    const storedPages = framesOf(file.stored, file.pageSize);
    const claimedPages = framesOf(claimed!, file.pageSize);
    return {
      sizeBytes: fstatSync(file.fd).size,
      parts: 1,
      headerVersion: undefined,
      codec: undefined,
      incomplete: file.incomplete,
      storedPages,
      leftOutPages: pages - claimedPages,
      cutPages: claimedPages - storedPages,
      missingPages: 0,
      damagedPages: 0,
      atLeast: false,
      dumpLevel: 0,
      eraseInfo: [],
    };
  }
  const { cut, marked, implausible, atLeast } = yield* countDescriptors(file);
  const takenOut = yield* countTakenOut(file);
  const leftOut = Math.max(0, pages - pagesOfAll(file));
  const taken = Math.min(leftOut, takenOut.pages);
  const claimedPages = file.parts.reduce((sum, part) => sum + part.pages, 0);
  return {
    sizeBytes: file.parts.reduce((sum, { fd }) => sum + fstatSync(fd).size, 0),
    parts: file.parts.length,
    headerVersion: file.headerVersion,
    codec: file.codec,
    incomplete: file.incomplete,
    storedPages: claimedPages - cut - marked - implausible,
    leftOutPages: leftOut - taken,
    cutPages: cut,
    missingPages: marked + taken,
    damagedPages: implausible,
    atLeast: atLeast || takenOut.atLeast,
    dumpLevel: file.dumpLevel,
    eraseInfo: Buffer.from(file.eraseInfo.subarray(0, MAX_ERASE_BYTES))
      .toString('latin1')
      .split('\n')
      .map((line) => line.replaceAll('\0', '').trim())
      .filter((line) => line !== '')
      .slice(0, MAX_ERASED),
  };
}

const ofElf = (file: DumpFile) => (file.format === 'elf' ? file.stored : undefined);

function framesOf(extents: Extents, pageSize: number): number {
  let frames = 0;
  for (const { count } of pfnRuns(extents, pageSize)) frames += count;
  return frames;
}
