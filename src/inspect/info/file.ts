/** What is in the file, as its headers and bitmaps say it. */

import type { DumpFile, Extents, MemoryReader } from '../../read/dump-file.ts';
import { endOf, pfnRuns } from '../../read/extents.ts';
import { State } from '../../read/page-state.ts';
import type { FileReport, MemoryReport } from './report.ts';

const MAX_ERASED = 1000;
const MAX_ERASE_BYTES = 1024 * 1024;
/** Where a file was cut short, its last pages are those that it lost. */
const TAIL_PAGES = 4096;
const TAIL_FRAMES = 2 ** 18;

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

export function fileReport(file: DumpFile, reader: MemoryReader): FileReport {
  const pages = framesOf(file.memory, file.pageSize);
  if (file.format === 'elf') {
    const storedPages = framesOf(file.stored, file.pageSize);
    return {
      sizeBytes: file.fileBytes,
      parts: 1,
      headerVersion: undefined,
      codec: undefined,
      incomplete: file.incomplete,
      storedPages,
      leftOutPages: pages - storedPages,
      cutPages: 0,
      dumpLevel: 0,
      eraseInfo: [],
    };
  }
  const storedPages = file.parts.reduce((sum, part) => sum + part.pages, 0);
  return {
    sizeBytes: file.parts.reduce((sum, part) => sum + part.fileBytes, 0),
    parts: file.parts.length,
    headerVersion: file.headerVersion,
    codec: file.codec,
    incomplete: file.incomplete,
    storedPages,
    leftOutPages: Math.max(0, pages - storedPages),
    cutPages: cutPages(file.maxMapnr, reader),
    dumpLevel: file.dumpLevel,
    eraseInfo: Buffer.from(file.eraseInfo.subarray(0, MAX_ERASE_BYTES))
      .toString('latin1')
      .split('\n')
      .map((line) => line.replaceAll('\0', '').trim())
      .filter((line) => line !== '')
      .slice(0, MAX_ERASED),
  };
}

/** Of the last pages those whose bytes the file does not have. */
function cutPages(maxMapnr: number, { stored }: MemoryReader): number {
  if (stored === undefined) return 0;
  let cut = 0;
  let looked = 0;
  for (let pfn = maxMapnr - 1; pfn >= Math.max(0, maxMapnr - TAIL_FRAMES) && looked < TAIL_PAGES; pfn--) {
    const state = stored.find(pfn);
    if (state === State.absent) continue;
    looked++;
    if (state === State.cut || state === State.noDescriptor) cut++;
  }
  return cut;
}

function framesOf(extents: Extents, pageSize: number): number {
  let frames = 0;
  for (const { count } of pfnRuns(extents, pageSize)) frames += count;
  return frames;
}
