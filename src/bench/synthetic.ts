/** A synthetic vmcore of any size: what `smelt bench` measures on where there is no dump. */

import { rmSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { SmeltError } from '../errors.ts';
import { randomNumbers } from './random.ts';
import { makeContents } from './synthetic-contents.ts';
import { CoreFile } from './synthetic-file.ts';
import { SyntheticKernel } from './synthetic-kernel.ts';
import {
  IMAGE_DATA_PFN,
  IMAGE_PFN,
  IMAGE_RODATA_PFN,
  PAGE_BYTES,
  SECTION_BYTES,
  SECTION_MAP_BYTES,
  SyntheticMachine,
} from './synthetic-machine.ts';
import { below, mixInto } from './synthetic-mix.ts';
import { kinds, noPages, type PageUse, SECTION_PAGES, SectionMap } from './synthetic-pages.ts';

export interface SyntheticOptions {
  /** A file that is not there yet. */
  readonly path: string;
  /** RAM of the machine, from 1 GiB to 16 TiB; rounded up to a multiple of 128 MiB. */
  readonly ramBytes: number;
  /** Another one, another machine; default 1. */
  readonly seed?: number;
}

export interface SyntheticSummary {
  /** As installed. Less than a MiB of it, at the BIOS, is not in the file. */
  readonly ramBytes: number;
  /** RAM with struct pages of its own, 64 GiB at most; those of the rest are mapped onto them. */
  readonly ownMemmapBytes: number;
  /** Size of the file, most of which is holes. */
  readonly fileBytes: number;
  readonly writtenBytes: number;
  /** Page frames in the file. */
  readonly totalPages: number;
  /** Page frames that are not all zeros; all of them are the kernel's. */
  readonly nonZeroPages: number;
  readonly pagesByClass: {
    readonly free: number;
    readonly cache: number;
    readonly cachePrivate: number;
    readonly user: { readonly anon: number; readonly thp: number; readonly hugetlb: number };
    readonly kernel: {
      readonly slab: number;
      readonly compound: number;
      readonly reserved: number;
      readonly other: number;
    };
  };
}

const SMALLEST_SYNTHETIC_BYTES = 2 ** 30;
const LARGEST_SYNTHETIC_BYTES = 2 ** 44;
/** Page frames that get contents besides those that the machine needs, of 256 MiB. */
const MAX_CONTENT_PAGES = 65_536;

/**
 * Writes an ELF vmcore of an x86-64 machine with Linux 6.1: a PC with RAM below 3 GiB and from 4 GiB on, from 8 GiB on
 * with two nodes, and with memory used as in a server at rest. The same options give the same bytes.
 *
 * What is true of it: struct pages, page tables, mem_section, the zones' counts of free pages, VMCOREINFO as far as
 * filtering needs it. What is not: contents, but for these, the kernel image and some seeded pages of the kernel's own
 * (1 in 16, at most 256 MiB); the rest is holes. Nothing leads a debugger to processes or the kernel log.
 *
 * Struct pages take 1/64 of RAM, in the file too. Beyond 64 GiB the page tables therefore map those of further RAM onto
 * those that are there already, over and over: the mix repeats, and head pointers and nodes in them are those of the
 * first. So even 16 TiB take not much more than 1 GiB of disk.
 *
 * `onProgress` is told struct pages written and to write, in sections of 128 MiB of RAM.
 * @throws SmeltError; the file is removed then, also when `signal` is aborted (whose reason is thrown).
 */
export async function writeSynthetic(
  options: SyntheticOptions,
  onProgress?: (done: number, total: number) => void,
  signal?: AbortSignal,
): Promise<SyntheticSummary> {
  const { path, ramBytes } = options;
  if (!(ramBytes >= SMALLEST_SYNTHETIC_BYTES && ramBytes <= LARGEST_SYNTHETIC_BYTES)) {
    throw new SmeltError('USAGE', `a synthetic dump of ${ramBytes} bytes of RAM cannot be made`, {
      hint: 'Give a size from 1 GiB to 16 TiB.',
    });
  }
  const machine = new SyntheticMachine(Math.ceil(ramBytes / SECTION_BYTES) * SECTION_BYTES);
  const kernel = new SyntheticKernel(machine);
  const file = new CoreFile(path, machine.allRam(), kernel.vmcoreinfo);
  try {
    return await fill(file, machine, kernel, options.seed ?? 1, onProgress, signal);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    file.close();
  }
}

async function fill(
  file: CoreFile,
  machine: SyntheticMachine,
  kernel: SyntheticKernel,
  seed: number,
  onProgress?: (done: number, total: number) => void,
  signal?: AbortSignal,
): Promise<SyntheticSummary> {
  // Apart enough for a stream of numbers for each section, and one for what stands in it.
  const streamOf = (what: number) => randomNumbers(Math.imul(seed, 0x9e3779b1) + what);
  file.begin();
  const contents = makeContents(streamOf(0));
  const counts = noPages();
  const free = Array.from({ length: machine.nodes }, () => [0, 0, 0]);
  const maps: Pick<SectionMap, 'counts' | 'free' | 'sample'>[] = [];
  const buffer = new ArrayBuffer(SECTION_MAP_BYTES);
  for (let index = 0; index < machine.sections; index++) {
    if (index < machine.ownSections) {
      const map = new SectionMap(buffer, machine.pfnOf(index), machine.nodeOf(index));
      fillSection(map, machine.fixed(kernel.firstPfn), streamOf(1 + index * 2));
      file.write(machine.mapPaddr(index) / PAGE_BYTES, map.bytes);
      maps.push({ counts: map.counts, free: map.free, sample: map.sample });
      onProgress?.(index + 1, machine.ownSections);
    }
    const map = maps[machine.mapOf(index)]!;
    for (const use of Object.keys(counts) as PageUse[]) counts[use] += map.counts[use];
    for (const [zone, pages] of map.free.entries()) free[machine.nodeOf(index)]![zone]! += pages;
    // Every section gets its part of the contents, and a different one each time its struct pages serve.
    const part = (i: number) => Math.floor((i * MAX_CONTENT_PAGES) / machine.sections);
    const pages = Math.min(part(index + 1) - part(index), map.sample.length);
    const random = streamOf(2 + index * 2);
    const from = below(map.sample.length - pages + 1, random);
    for (const offset of map.sample.slice(from, from + pages)) {
      file.write(machine.pfnOf(index) + offset, contents.any(random));
    }
    if (index < machine.ownSections || index % 64 === 0) await setImmediate();
    signal?.throwIfAborted();
  }
  for (const [node, zones] of free.entries()) {
    for (const [zone, pages] of zones.entries()) kernel.setFree(node, zone, pages);
  }
  for (const [pfn, page] of kernel.pages) if (page.some((byte) => byte !== 0)) file.write(pfn, page);
  const random = streamOf(-1);
  for (let pfn = IMAGE_PFN; pfn < IMAGE_DATA_PFN; pfn++) {
    file.write(pfn, pfn < IMAGE_RODATA_PFN ? contents.code(random) : contents.any(random));
  }
  const { anon, thp, hugetlb, slab, compound, reserved, other, ...rest } = counts;
  return {
    ramBytes: machine.sections * SECTION_BYTES,
    ownMemmapBytes: machine.ownSections * SECTION_BYTES,
    fileBytes: file.sizeBytes,
    writtenBytes: file.writtenBytes,
    totalPages: Object.values(counts).reduce((sum, pages) => sum + pages),
    nonZeroPages: file.writtenPages,
    pagesByClass: { ...rest, user: { anon, thp, hugetlb }, kernel: { slab, compound, reserved, other } },
  };
}

/** Fixed uses first, and the mix in between. */
function fillSection(
  map: SectionMap,
  fixed: ReturnType<SyntheticMachine['fixed']>,
  random: () => number,
): void {
  const end = map.firstPfn + SECTION_PAGES;
  for (let at = map.firstPfn; at < end; ) {
    const range = fixed.find((f) => f.end > at);
    const stop = Math.min(end, range === undefined ? end : range.pfn > at ? range.pfn : range.end);
    if (range !== undefined && range.pfn <= at) map.put(kinds.reserved, at, stop - at, range.isRam);
    else mixInto(map, at, stop, random);
    at = stop;
  }
}
