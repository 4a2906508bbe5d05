/** What the output's header says, carried over from the input or read from the crashed kernel. */

import { archByName } from '../arch/architectures.ts';
import type { CodecName } from '../codec/codec.ts';
import type { Machine } from '../kernel/machine.ts';
import { VMCOREINFO_NOTE } from '../kernel/vmcoreinfo.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { UTS_FIELDS, UTS_LENGTH } from '../read/kdump-layout.ts';
import { encodeNote, NT_PRSTATUS, parseNotes } from '../read/notes.ts';
import type { KdumpHeader } from '../write/kdump.ts';
import type { Description } from './describe.ts';

export interface OutputNotes {
  readonly blob: Uint8Array;
  /** Place of VMCOREINFO's text in the blob. */
  readonly vmcoreinfo: { readonly offset: number; readonly length: number } | undefined;
  /** CPUs that left their registers. */
  readonly nrCpus: number;
}

/** The input's notes as they stand; a VMCOREINFO that was found elsewhere is added, so that readers find it here. */
export function outputNotes(notes: Uint8Array, { info, infoFrom }: Description): OutputNotes {
  const added = info !== undefined && infoFrom !== 'note';
  const blob = added
    ? Buffer.concat([notes, encodeNote(VMCOREINFO_NOTE, 0, Buffer.from(info.text, 'latin1'))])
    : notes;
  let vmcoreinfo: OutputNotes['vmcoreinfo'];
  let nrCpus = 0;
  for (const { name, type, desc } of parseNotes(blob)) {
    if (name === VMCOREINFO_NOTE)
      vmcoreinfo ??= { offset: desc.byteOffset - blob.byteOffset, length: textLength(desc) };
    if (name === 'CORE' && type === NT_PRSTATUS) nrCpus++;
  }
  return { blob, vmcoreinfo, nrCpus };
}

/** The kernel's note is padded with NULs that are not text. */
function textLength(desc: Uint8Array): number {
  const end = desc.indexOf(0);
  return end < 0 ? desc.length : end;
}

/** What of a header depends on how far the dump is. */
export interface HeaderState {
  readonly incomplete: boolean;
  readonly dumpLevel: number;
  /** Where the erase info lies; undefined: nowhere, or nowhere yet. */
  readonly eraseInfo: KdumpHeader['eraseInfo'];
  /** The page frames of this part of a split dump. */
  readonly split: { readonly startPfn: number; readonly endPfn: number } | undefined;
}

export type HeaderOf = (state: HeaderState) => KdumpHeader;

/** Without VMCOREINFO: what the input's sub header says, or where its ELF headers have the kernel image. */
function physBaseOf(file: DumpFile, machine: Machine): bigint {
  if (file.format === 'kdump') return file.physBase;
  return archByName(machine.arch)?.physBaseByMappings(file.mappings) ?? machine.physBase;
}

/** libkdumpfile believes in no utsname without a release and a version. */
const UNKNOWN = '(unknown)';

/** Where the kernel's own cannot be read: libkdumpfile, and so drgn, knows the architecture by it. */
function knownUtsname({ arch, release }: Machine): Uint8Array {
  const out = Buffer.alloc(UTS_LENGTH * UTS_FIELDS.length);
  const known = { sysname: 'Linux', release: release ?? UNKNOWN, version: UNKNOWN, machine: arch } as const;
  for (const [field, text] of Object.entries(known))
    out.write(text.slice(0, UTS_LENGTH - 1), UTS_LENGTH * UTS_FIELDS.indexOf(field as 'release'), 'latin1');
  return out;
}

/** The header as it is while the dump grows and when it is done. */
export function headerOf(
  file: DumpFile,
  { machine }: Description,
  notes: OutputNotes,
  codec: CodecName | undefined,
  maxMapnr: number,
): HeaderOf {
  const old = file.format === 'kdump' ? file : undefined;
  return ({ incomplete, dumpLevel, eraseInfo, split }) => ({
    utsname: old?.machine === undefined ? (machine.utsname ?? knownUtsname(machine)) : old.utsname,
    timestamp: old?.timestamp ?? { sec: 0n, usec: 0n },
    codec,
    incomplete: incomplete || file.incomplete,
    maxMapnr,
    nrCpus: notes.nrCpus || (old?.nrCpus ?? 0),
    // QEMU writes it wrong when it is negative: VMCOREINFO counts where there is one.
    physBase: notes.vmcoreinfo === undefined ? physBaseOf(file, machine) : machine.physBase,
    dumpLevel,
    notes: notes.blob,
    vmcoreinfo: notes.vmcoreinfo,
    eraseInfo,
    split,
  });
}
