/** From an open dump to everything that is known about the machine it came from. */

import { closeSync, openSync } from 'node:fs';
import type { Arch } from '../arch/arch.ts';
import { CachedMemory } from '../arch/memory.ts';
import { ExitCode, SmeltError, systemReason } from '../errors.ts';
import { locateKernel } from '../kernel/locate.ts';
import { architectureOf, describeMachine, type Machine } from '../kernel/machine.ts';
import { scanForVmcoreinfo } from '../kernel/scan-vmcoreinfo.ts';
import { supplement } from '../kernel/supplement.ts';
import { MAX_VMCOREINFO_BYTES, Vmcoreinfo, vmcoreinfoFromNotes } from '../kernel/vmcoreinfo.ts';
import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { endOf } from '../read/extents.ts';
import { readFully } from '../read/file.ts';
import { isLive } from '../read/live.ts';
import { parseNotes } from '../read/notes.ts';
import { chooseMask, findMask, type MaskSource } from '../sme/mask.ts';
import type { InputReport, InputRequest } from './report.ts';

export interface Description {
  readonly machine: Machine;
  readonly info: Vmcoreinfo | undefined;
  readonly infoFrom: InputReport['vmcoreinfoFrom'];
  readonly encryptionMask: bigint;
  readonly encryptionMaskFrom: MaskSource | undefined;
  readonly warnings: readonly string[];
}

/** What a step of a search through the dump's memory found, and how many page frames it looked through. */
export interface SearchStep<T> {
  readonly found: T | undefined;
  readonly pages: number;
}

/** Does a search step by step, and lets others have their turn meanwhile. */
export type Search = <T>(
  file: DumpFile,
  reader: MemoryReader,
  steps: Iterable<SearchStep<T>>,
) => AsyncIterable<T>;

/**
 * `look` is called again and again in long work, and may throw to end it.
 * @throws SmeltError UNSUPPORTED for another architecture, WRONG_RELEASE when -i or -x is of another kernel or build.
 */
export async function describe(
  file: DumpFile,
  reader: MemoryReader,
  request: InputRequest,
  search: Search,
  look: () => Promise<void> = async () => {},
): Promise<Description> {
  const arch = architectureOf(file);
  const memory = new CachedMemory(reader);
  const describeBy = (info: Vmcoreinfo | undefined, from: Description['infoFrom']) =>
    describeWith(file, arch, memory, info, from, request);
  // Memory that must not be touched is known only after VMCOREINFO has been read: it is searched for in files alone.
  const notes = () => (isLive(file) ? [] : search(file, reader, scanForVmcoreinfo(file, reader)));
  const given = await readGiven(request, look);
  const fromNote = vmcoreinfoFromNotes(parseNotes(file.notes, file.littleEndian));
  if (fromNote !== undefined) {
    const note = new Vmcoreinfo(fromNote);
    if (given === undefined) return describeBy(note, 'note');
    checkRelease(given, note.release, request);
    checkBuild(given, note, request);
    return describeBy(supplement(note, given.info, arch), 'note');
  }
  if (given === undefined) {
    // The first candidate that the memory itself agrees with; stale ones of an earlier kernel do not.
    let best: Description | undefined;
    for await (const text of notes()) {
      const description = describeBy(new Vmcoreinfo(text), 'memory scan');
      if (description.machine.memoryMap !== undefined) return description;
      best ??= description;
    }
    return best ?? describeBy(undefined, undefined);
  }
  const { info } = given;
  const alone = describeBy(info, 'file');
  checkRelease(given, alone.machine.releaseInMemory, request);
  if (alone.machine.memoryMap !== undefined || isLive(file)) return alone;
  // What leads nowhere may be of a kernel that KASLR moved, or of another one: the kernel's own copy in memory tells,
  // and where there is none, the line that a kernel begins its log with.
  let other: string | undefined;
  let otherBuild: Vmcoreinfo | undefined;
  for await (const text of notes()) {
    const own = new Vmcoreinfo(text);
    if (own.release !== info.release) {
      other ??= own.release;
      continue;
    }
    if (isOtherBuild(info, own)) {
      otherBuild ??= own;
      continue;
    }
    const description = describeBy(supplement(own, info, arch), 'memory scan');
    if (description.machine.memoryMap !== undefined) return description;
  }
  if (otherBuild !== undefined) checkBuild(given, otherBuild, request);
  for await (const located of search(file, reader, locateKernel(file, reader, arch, info))) {
    const description = describeBy(located, 'file');
    if (description.machine.memoryMap !== undefined) return description;
  }
  checkRelease(given, other, request);
  return alone;
}

/** What the notes alone say, for work that asks nothing of the memory, of any architecture. */
export function describeByNotes(file: DumpFile): Description {
  const text = vmcoreinfoFromNotes(parseNotes(file.notes, file.littleEndian));
  const info = text === undefined ? undefined : new Vmcoreinfo(text);
  const { mask, source } = chooseMask(info?.number('sme_mask'), undefined, undefined, endOf(file.memory));
  const physBase = info?.number('phys_base');
  return {
    machine: {
      arch: file.machine ?? 'x86_64',
      release: info?.release,
      releaseInMemory: undefined,
      utsname: undefined,
      physBase: physBase ?? (file.format === 'kdump' ? file.physBase : 0n),
      pageTableLevels: undefined,
      symbols: undefined,
      memoryMap: undefined,
      unreadable: undefined,
      kernelFreePages: undefined,
      warnings: [],
    },
    info,
    infoFrom: info === undefined ? undefined : 'note',
    encryptionMask: mask,
    encryptionMaskFrom: source,
    warnings: [],
  };
}

function describeWith(
  file: DumpFile,
  arch: Arch,
  memory: CachedMemory,
  info: Vmcoreinfo | undefined,
  infoFrom: InputReport['vmcoreinfoFrom'],
  request: InputRequest,
): Description {
  const { mask, source, warning } = findMask(file, memory, arch, info, request.smeMask);
  const machine = describeMachine(arch, memory, info, mask);
  return {
    machine,
    info,
    infoFrom,
    encryptionMask: mask,
    encryptionMaskFrom: source,
    warnings: [...(warning === undefined ? [] : [warning]), ...machine.warnings],
  };
}

/** What -i or -x gives. */
interface Given {
  readonly path: string;
  readonly info: Vmcoreinfo;
}

async function readGiven(
  { vmcoreinfoFile, vmlinuxFile }: InputRequest,
  look: () => Promise<void>,
): Promise<Given | undefined> {
  if (vmcoreinfoFile !== undefined) return { path: vmcoreinfoFile, info: readVmcoreinfoFile(vmcoreinfoFile) };
  if (vmlinuxFile === undefined) return undefined;
  const { vmcoreinfoOf } = await import('../kernel/vmlinux/vmlinux.ts');
  return { path: vmlinuxFile, info: new Vmcoreinfo(await vmcoreinfoOf(vmlinuxFile, look)) };
}

function readVmcoreinfoFile(path: string): Vmcoreinfo {
  let text: string;
  try {
    const head = Buffer.alloc(MAX_VMCOREINFO_BYTES);
    const fd = openSync(path, 'r');
    try {
      text = head.toString('latin1', 0, readFully(fd, head, 0));
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new SmeltError('INPUT_OPEN', `${path}: cannot be read: ${systemReason(cause)}`, { cause });
  }
  if (text.startsWith('\x7fELF')) {
    throw new SmeltError('CORRUPT', `${path}: is an ELF file, and -i takes lines of text`, {
      hint: `For a vmlinux with debug information it is -x ${path}.`,
    });
  }
  const info = new Vmcoreinfo(text);
  if (info.release === undefined) {
    throw new SmeltError('CORRUPT', `${path}: has no OSRELEASE= line, so it is no VMCOREINFO file`, {
      hint: 'It is what `makedumpfile -g` writes, or the text of the VMCOREINFO note.',
    });
  }
  return info;
}

/** Two builds of one release may have other structures at other places. Older kernels do not say which build they are. */
function isOtherBuild({ buildId }: Vmcoreinfo, own: Vmcoreinfo): boolean {
  return buildId !== undefined && own.buildId !== undefined && buildId !== own.buildId;
}

function checkBuild({ path, info }: Given, own: Vmcoreinfo, { input }: InputRequest): void {
  if (!isOtherBuild(info, own)) return;
  throw new SmeltError(
    'WRONG_RELEASE',
    `${path}: is of another build of Linux ${info.release} than ${input}: BUILD-ID ${info.buildId}, not ${own.buildId}`,
    { hint: 'Give the file of the very kernel that crashed.', exitCode: ExitCode.wrongRelease },
  );
}

function checkRelease({ path, info }: Given, inDump: string | undefined, { input }: InputRequest): void {
  if (inDump === undefined || info.release === inDump) return;
  throw new SmeltError('WRONG_RELEASE', `${path}: is of Linux ${info.release}, and ${input} of ${inDump}`, {
    hint: 'Give the file of the kernel that crashed.',
    exitCode: ExitCode.wrongRelease,
  });
}
