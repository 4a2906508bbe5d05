/** From an open dump to everything that is known about the machine it came from. */

import { readFileSync } from 'node:fs';
import type { Arch } from '../arch/arch.ts';
import { CachedMemory } from '../arch/memory.ts';
import { ExitCode, SmeltError, systemReason } from '../errors.ts';
import { architectureOf, describeMachine, type Machine } from '../kernel/machine.ts';
import { MAX_VMCOREINFO_BYTES, Vmcoreinfo, vmcoreinfoFromNotes } from '../kernel/vmcoreinfo.ts';
import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { endOf } from '../read/extents.ts';
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

/** Looks for VMCOREINFO's text in memory, and lets others have their turn meanwhile. */
export type Search = (file: DumpFile, reader: MemoryReader) => AsyncIterable<string>;

/** @throws SmeltError UNSUPPORTED for another architecture, WRONG_RELEASE when -i is of another kernel. */
export async function describe(
  file: DumpFile,
  reader: MemoryReader,
  request: InputRequest,
  search: Search,
): Promise<Description> {
  const arch = architectureOf(file);
  const memory = new CachedMemory(reader);
  const fromNote = vmcoreinfoFromNotes(parseNotes(file.notes, file.littleEndian));
  const given = request.vmcoreinfoFile === undefined ? undefined : readVmcoreinfoFile(request.vmcoreinfoFile);
  if (fromNote !== undefined) {
    const note = new Vmcoreinfo(fromNote);
    // What the dump itself says counts; the file supplies what it leaves out.
    if (given) checkRelease(given.release, note.release, request);
    const info = given ? new Vmcoreinfo(`${fromNote}\n${given.text}`) : note;
    return describeWith(file, arch, memory, info, 'note', request);
  }
  if (given) {
    const description = describeWith(file, arch, memory, given, 'file', request);
    checkRelease(given.release, description.machine.releaseInMemory, request);
    // A file that leads nowhere may be of another kernel: the kernel's own copy in memory tells which one this is.
    if (description.machine.memoryMap === undefined && !isLive(file)) {
      for await (const text of search(file, reader)) {
        checkRelease(given.release, new Vmcoreinfo(text).release, request);
      }
    }
    return description;
  }
  // The first candidate that the memory itself agrees with; stale ones of an earlier kernel do not.
  let best: Description | undefined;
  for await (const text of isLive(file) ? [] : search(file, reader)) {
    const description = describeWith(file, arch, memory, new Vmcoreinfo(text), 'memory scan', request);
    if (description.machine.memoryMap !== undefined) return description;
    best ??= description;
  }
  return best ?? describeWith(file, arch, memory, undefined, undefined, request);
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

function readVmcoreinfoFile(path: string): Vmcoreinfo {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (cause) {
    throw new SmeltError('INPUT_OPEN', `${path}: cannot be read: ${systemReason(cause)}`, { cause });
  }
  const info = new Vmcoreinfo(text.slice(0, MAX_VMCOREINFO_BYTES));
  if (info.release === undefined) {
    throw new SmeltError('CORRUPT', `${path}: has no OSRELEASE= line, so it is no VMCOREINFO file`, {
      hint: 'It is what `makedumpfile -g` writes, or the text of the VMCOREINFO note.',
    });
  }
  return info;
}

function checkRelease(given: string | undefined, inDump: string | undefined, request: InputRequest): void {
  if (inDump === undefined || given === inDump) return;
  throw new SmeltError(
    'WRONG_RELEASE',
    `${request.vmcoreinfoFile}: is of Linux ${given}, and ${request.input} of ${inDump}`,
    {
      hint: 'Give the VMCOREINFO file of the kernel that crashed.',
      exitCode: ExitCode.wrongRelease,
    },
  );
}
