/**
 * The verdict before anything is written: was this memory read through the right mapping, or is it ciphertext? The thresholds, and what
 * they were measured on: docs/notes/ciphertext-verdict.md.
 */

import type { Arch } from '../../arch/arch.ts';
import { archByName } from '../../arch/architectures.ts';
import { CachedMemory } from '../../arch/memory.ts';
import type { Machine } from '../../kernel/machine.ts';
import type { Vmcoreinfo } from '../../kernel/vmcoreinfo.ts';
import type { DumpFile, MemoryReader } from '../../read/dump-file.ts';
import { isLive } from '../../read/live.ts';
import type { Encryption } from '../live/report.ts';
import { lookAtKnownPages } from './known-pages.ts';
import type { Outcome, Row, Seen, Verdict } from './report.ts';
import { type ImageSample, memoryPages, sampleImage } from './sample.ts';
import { bestOf, cpuTables, topLevelTable } from './tables.ts';
import { hintFor, sentenceFor } from './words.ts';

export type { Outcome, Row, Seen, Verdict };

/** What describing the dump has found. */
export interface Described {
  readonly machine: Machine;
  readonly info: Vmcoreinfo | undefined;
  readonly infoFrom: Seen['vmcoreinfo'];
  readonly encryptionMask: bigint;
}

export interface JudgeOptions {
  /** Called every few milliseconds: to let others have their turn, and to throw when nobody wants the verdict any more. */
  readonly look?: () => Promise<void>;
  /** What the running kernel encrypts (`captureEncryption()`); asked only where it is the one that reads the memory. */
  readonly capture?: () => Encryption | undefined;
}

/** Of the sampled pages that are not zero. Whole dumps of real machines have 0.1 to 21 %, ciphertext 94 % and more. */
const RANDOM_SHARE = 0.85;
/** Fewer pages that are not zero say nothing. */
const FEWEST_PAGES = 64;
/** Struct pages alone are 1.6 % of any memory: where this share of the sample is full of kernel addresses, it is plaintext. */
const KERNEL_SHARE = 0.0075;
/** Of the sampled pages: what is in a file when the hypervisor has no access to the guest's memory. */
const PRIVATE_ZERO_SHARE = 0.99;
/** Where more cannot be read, what would show that it is plaintext may be what is missing: struct pages lie together, often at the end. */
const MISSING_SHARE = 0.05;

/** Of the sampled pages: random bytes are not taken for random in 0.03 % of the pages. */
const PLAIN_SHARE = 0.005;
/**
 * The page frames of a dump whose shared ones can hardly be overlooked by the sample: a kernel with SME shares 64 MiB with its devices at least
 * (the bounce buffer: arch/x86/kernel/pci-dma.c; IO_TLB_DEFAULT_SIZE), here 1 %.
 */
const SMALL_MEMORY = 100 * 16384;

type MutableSeen = { -readonly [K in keyof Seen]: Seen[K] };

/** @throws what `look` throws. */
export async function judge(
  file: DumpFile,
  reader: MemoryReader,
  described: Described,
  options: JudgeOptions = {},
): Promise<Verdict> {
  let asked: { readonly value: Encryption | undefined } | undefined;
  const capture = () => {
    asked ??= { value: isLive(file) ? options.capture?.() : undefined };
    return asked.value;
  };
  const seen = nothingSeen(file, described);
  const outcome =
    byEvidence(file, reader, described, capture, seen) ??
    bySample(seen, await sampleImage(file, reader, options.look ?? (async () => {})));
  const row = outcome === 'ciphertext' ? rowOf(seen, capture()) : undefined;
  const finding = { outcome, row, rowIsKnown: row !== undefined && capture() !== undefined, seen };
  return { ...finding, sentence: sentenceFor(file.path, finding), hint: hintFor(finding) };
}

/** What can be said without touching any page that is not known to be the kernel's; undefined when it takes a sample. */
function byEvidence(
  file: DumpFile,
  reader: MemoryReader,
  described: Described,
  capture: () => Encryption | undefined,
  seen: MutableSeen,
): Outcome | undefined {
  const { machine, info, infoFrom, encryptionMask } = described;
  const arch: Arch = archByName(machine.arch)!;
  const memory = new CachedMemory(reader);
  const tables = info && arch.findPageTables(info, encryptionMask);
  if (seen.releaseInMemory !== undefined && info && tables) {
    seen.topLevelTable = 'plausible';
    // A name that is not the one in VMCOREINFO: then the rest of VMCOREINFO is not to be relied on either.
    if (machine.utsname === undefined) return 'readable';
    const known = lookAtKnownPages(file, reader, memory, arch, info, tables, machine.memoryMap);
    seen.knownPages = known.pages;
    seen.knownRandomPages = known.randomPages;
    return known.mostlyRandom ? 'ciphertext' : 'readable';
  }
  // The kernel reads the notes of /proc/vmcore as it reads the memory: a text that makes sense came through the right mapping.
  if (isLive(file) && infoFrom === 'note') return 'readable';
  // An encrypted guest has one key as long as it runs, for both kernels; and pages of an SNP guest are not to be touched at random.
  if (isLive(file) && capture() !== 'none' && capture() !== 'SME') return 'unknown';
  // Who filtered it could read it.
  if (file.format === 'kdump' && file.dumpLevel > 1) return 'readable';

  const named = tables && topLevelTable(file, memory, arch.tableFormat, tables.root, encryptionMask);
  const cpus = cpuTables(file, memory, arch, encryptionMask);
  seen.qemuCpus = cpus.cpus;
  seen.qemuPaging = cpus.paging;
  // A file given with -i may be of another kernel: where it leads to no table, that says nothing.
  const states = [named === 'plausible' || infoFrom !== 'file' ? named : undefined, cpus.table];
  seen.topLevelTable = bestOf(states);
  return seen.topLevelTable === 'plausible' ? 'readable' : undefined;
}

function bySample(seen: MutableSeen, sample: ImageSample): Outcome {
  Object.assign(seen, sample);
  const { sampledPages, zeroPages, kernelPages } = sample;
  if (seen.topLevelTable === 'missing' || isPartOnly(sample)) return 'unknown';
  if (isMostlyRandom(sample)) return 'ciphertext';
  const hasOwnInfo = seen.vmcoreinfo === 'note' || seen.vmcoreinfo === 'memory scan';
  const isEmpty = sampledPages >= FEWEST_PAGES && zeroPages > sampledPages * PRIVATE_ZERO_SHARE;
  const isPrivate = isEmpty && seen.qemuPaging && !hasOwnInfo && kernelPages === 0;
  return isPrivate ? 'private memory missing' : 'unknown';
}

function isPartOnly({ sampledPages, missingPages }: ImageSample): boolean {
  return missingPages > (sampledPages + missingPages) * MISSING_SHARE;
}

function isMostlyRandom({ sampledPages, zeroPages, randomPages, kernelPages }: ImageSample): boolean {
  const nonZero = sampledPages - zeroPages;
  const isPlain = kernelPages > 0 && kernelPages >= sampledPages * KERNEL_SHARE;
  return !isPlain && nonZero >= FEWEST_PAGES && randomPages >= nonZero * RANDOM_SHARE;
}

/** Whether the memory of a file is noise: a search for the kernel's own words in it would be long and in vain. */
export async function isNoise(
  file: DumpFile,
  reader: MemoryReader,
  arch: Arch,
  look: () => Promise<void>,
): Promise<boolean> {
  // Who filtered it could read it.
  if (file.format === 'kdump' && file.dumpLevel > 1) return false;
  if (cpuTables(file, new CachedMemory(reader), arch, 0n).table === 'plausible') return false;
  const sample = await sampleImage(file, reader, look);
  return !isPartOnly(sample) && isMostlyRandom(sample);
}

function rowOf(seen: Seen, capture: Encryption | undefined): Row | undefined {
  if (seen.qemuCpus > 0) return 'hypervisor';
  if (capture !== undefined) return capture === 'none' ? 'on/off' : 'off/on';
  if (seen.sampledPages === 0) return undefined;
  // Pages that the first kernel shares with devices are not encrypted, and who reads them as they are finds some; noise never repeats.
  const { sampledPages, randomPages, zeroPages, repeatedPages } = seen;
  const isPlain = zeroPages + repeatedPages > 0 || sampledPages - randomPages > sampledPages * PLAIN_SHARE;
  if (isPlain) return 'on/off';
  return seen.memoryPages <= SMALL_MEMORY ? 'off/on' : undefined;
}

function nothingSeen(file: DumpFile, { machine, infoFrom }: Described): MutableSeen {
  const isName = /^\d+\.\d+/.test(machine.releaseInMemory ?? '');
  return {
    memoryPages: memoryPages(file),
    knownPages: 0,
    knownRandomPages: 0,
    vmcoreinfo: infoFrom,
    topLevelTable: undefined,
    releaseInMemory: isName ? machine.releaseInMemory : undefined,
    qemuCpus: 0,
    qemuPaging: false,
    sampledPages: 0,
    missingPages: 0,
    zeroPages: 0,
    randomPages: 0,
    repeatedPages: 0,
    kernelPages: 0,
  };
}
