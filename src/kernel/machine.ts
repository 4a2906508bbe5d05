/** Everything that the dump tells about the crashed kernel, read once: where all knowledge of kernel versions ends. */

import type { Arch } from '../arch/arch.ts';
import { archByName, supportedArchitectures } from '../arch/architectures.ts';
import type { CachedMemory } from '../arch/memory.ts';
import { type PageTables, PageTableWalker } from '../arch/page-table.ts';
import { SmeltError } from '../errors.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { UTS_FIELDS, UTS_LENGTH } from '../read/kdump-layout.ts';
import { kernelFreePages } from './free-pages.ts';
import { type KernelImage, kernelImage } from './image.ts';
import type { KernelSymbols } from './kallsyms.ts';
import { type MemoryModel, memoryModel } from './memory-model.ts';
import { type PageRules, pageRules } from './page-rules.ts';
import { kernelSymbols } from './symbols.ts';
import { textOf } from './text.ts';
import type { Vmcoreinfo } from './vmcoreinfo.ts';

/** How to find and read struct pages; plain data that crosses to worker threads. */
export interface MemoryMapInfo {
  readonly arch: string;
  readonly tables: PageTables;
  readonly model: MemoryModel;
  readonly rules: PageRules;
  readonly image: KernelImage | undefined;
}

export interface Machine {
  readonly arch: string;
  /** What VMCOREINFO says. */
  readonly release: string | undefined;
  /** What the kernel in memory calls itself, where its page tables could be walked. */
  readonly releaseInMemory: string | undefined;
  /** struct new_utsname as it stands in memory, 6 × 65 bytes; undefined when it cannot be reached. */
  readonly utsname: Uint8Array | undefined;
  readonly physBase: bigint;
  readonly pageTableLevels: number | undefined;
  /** Undefined where the kernel's own symbol table cannot be read. */
  readonly symbols: KernelSymbols | undefined;
  /** undefined: nothing can be filtered, because of `unreadable`. */
  readonly memoryMap: MemoryMapInfo | undefined;
  readonly unreadable: string | undefined;
  readonly kernelFreePages: number | undefined;
  readonly warnings: readonly string[];
}

/** Rules are known and tested for these. */
const OLDEST_KERNEL = [4, 19] as const;
const NEWEST_KERNEL = [7, 3] as const;
/** `struct kref` stands before the name until v5.11 exported the offset. */
const UTS_NAME_OFFSET = 4;

/** The architecture that the file names; a dump that does not say (QEMU's kdump files) is taken for x86-64. */
export function architectureOf(file: DumpFile): Arch {
  const arch = archByName(file.machine ?? 'x86_64');
  if (arch === undefined || !file.littleEndian) {
    throw new SmeltError(
      'UNSUPPORTED',
      `${file.path}: is a dump of ${file.machine}, which is not supported`,
      {
        hint: `smelt understands ${supportedArchitectures()}.`,
      },
    );
  }
  if (!arch.pageSizes.includes(file.pageSize)) {
    throw new SmeltError(
      'UNSUPPORTED',
      `${file.path}: has pages of ${file.pageSize} bytes, and ${arch.name} has none of that size`,
    );
  }
  return arch;
}

/** -1, 0 or 1: a release below, among or above those that the rules are known for; 0 when it has no version number. */
export function compareWithKnownKernels(release: string | undefined): -1 | 0 | 1 {
  const match = /^(\d+)\.(\d+)/.exec(release ?? '');
  if (match === null) return 0;
  const version = Number(match[1]) * 1000 + Number(match[2]);
  if (version < OLDEST_KERNEL[0] * 1000 + OLDEST_KERNEL[1]) return -1;
  return version > NEWEST_KERNEL[0] * 1000 + NEWEST_KERNEL[1] ? 1 : 0;
}

export function describeMachine(
  arch: Arch,
  memory: CachedMemory,
  info: Vmcoreinfo | undefined,
  encryptionMask: bigint,
): Machine {
  const nothing = {
    arch: arch.name,
    release: info?.release,
    releaseInMemory: undefined,
    utsname: undefined,
    physBase: 0n,
    pageTableLevels: undefined,
    symbols: undefined,
    memoryMap: undefined,
    kernelFreePages: undefined,
    warnings: [],
  };
  if (info === undefined) return { ...nothing, unreadable: 'there is no VMCOREINFO' };
  const known = { ...nothing, physBase: arch.physBase(info) };
  if (info.pageSize !== undefined && info.pageSize !== memory.pageSize) {
    return {
      ...known,
      unreadable: `VMCOREINFO says that pages have ${info.pageSize} bytes, and the file has pages of ${memory.pageSize}`,
    };
  }
  const tables = arch.findPageTables(info, encryptionMask);
  if (tables === undefined)
    return { ...known, unreadable: 'VMCOREINFO does not say where the page tables are' };
  const walker = new PageTableWalker(memory, arch.tableFormat, tables);
  const utsname = readUtsname(info, walker);
  if (utsname === undefined) {
    return { ...known, unreadable: "the page tables do not lead to the kernel's own name (init_uts_ns)" };
  }
  const release = utsField(utsname, 'release');
  if (info.release !== undefined && release !== info.release) {
    return {
      ...known,
      releaseInMemory: release,
      unreadable: `the kernel in memory calls itself ${JSON.stringify(release)}, VMCOREINFO ${JSON.stringify(info.release)}`,
    };
  }
  const symbols = kernelSymbols(info, walker);
  const understood = {
    ...known,
    release,
    releaseInMemory: release,
    utsname,
    pageTableLevels: tables.levels,
    symbols,
  };
  const model = memoryModel(info, arch.tableFormat.pageShift, (vaddr) =>
    arch.imageAddress(info, vaddr) === undefined ? undefined : walker.readU64(vaddr),
  );
  const rules = pageRules(info);
  if (model === undefined)
    return { ...understood, unreadable: 'VMCOREINFO has no usable mem_section or mem_map' };
  if (rules === undefined) return { ...understood, unreadable: 'VMCOREINFO does not describe struct page' };
  return {
    ...understood,
    memoryMap: {
      arch: arch.name,
      tables,
      model,
      rules,
      image: kernelImage(info, arch, walker, symbols, memory.pageSize),
    },
    unreadable: undefined,
    kernelFreePages: kernelFreePages(info, walker),
    warnings: ruleWarnings(release, rules),
  };
}

function readUtsname(info: Vmcoreinfo, walker: PageTableWalker): Uint8Array | undefined {
  const namespace = info.symbol('init_uts_ns');
  if (namespace === undefined) return undefined;
  const offset = info.offset('uts_namespace.name') ?? UTS_NAME_OFFSET;
  return walker.read(namespace + BigInt(offset), UTS_LENGTH * UTS_FIELDS.length);
}

/** One string of a struct new_utsname. */
export function utsField(utsname: Uint8Array, field: (typeof UTS_FIELDS)[number]): string {
  const at = UTS_FIELDS.indexOf(field) * UTS_LENGTH;
  const bytes = utsname.subarray(at, at + UTS_LENGTH);
  const end = bytes.indexOf(0);
  return textOf(end < 0 ? bytes : bytes.subarray(0, end));
}

function ruleWarnings(release: string, rules: PageRules): string[] {
  const warnings: string[] = [];
  if (compareWithKnownKernels(release) > 0) {
    warnings.push(
      `Linux ${release} is newer than any that smelt was tested with (${NEWEST_KERNEL.join('.')}); compare the counts of free pages`,
    );
  }
  if (rules.missing.length > 0) {
    warnings.push(
      `VMCOREINFO lacks ${rules.missing.join(', ')}: pages whose class depends on it are kept; -i or -x can supply it`,
    );
  }
  return warnings;
}
