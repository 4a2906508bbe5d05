/** What a dump is asked to do and what it tells when done: plain data, the same for the summary and for `--json`. */

import type { CodecName, MakerKind } from '../codec/codec.ts';
import type { PageClass } from '../filter/page-class.ts';

/** A validated command line. */
export interface DumpRequest {
  readonly input: string;
  /** Undefined only for a dry run. */
  readonly output: string | undefined;
  /** Only looks at what a dump would come to: nothing is written. */
  readonly dryRun: boolean;
  /** Stores identical pages once. */
  readonly dedup: boolean;
  /** 0…31; undefined: 0, or what the input was filtered with. */
  readonly dumpLevel: number | undefined;
  /** undefined: pages are stored raw. */
  readonly codec: CodecName | undefined;
  readonly compressionLevel: number | undefined;
  /** undefined: the native maker where there is one, else the portable one. */
  readonly codecMaker: MakerKind | undefined;
  /** Threads that work, this one included; 0 is 1. undefined: as many as CPUs that this process may use. */
  readonly threads: number | undefined;
  /** Whether the input's bytes are mapped or read. undefined: mapped where that is possible. */
  readonly mmap: boolean | undefined;
  readonly overwrite: boolean;
  readonly keepIncomplete: boolean;
  readonly strict: boolean;
  /** --sme-mask: overrides what VMCOREINFO says. */
  readonly smeMask: bigint | undefined;
  /** -i: a file with VMCOREINFO's lines. */
  readonly vmcoreinfoFile: string | undefined;
}

/** `search` is for VMCOREINFO, in a dump without the note; most dumps do without. */
export type Phase = 'search' | 'classify' | 'compress';

/** Told at the start of the work and then again and again; the numbers of a phase only grow. */
export interface Progress {
  readonly phase: Phase;
  /** Page frames done and to do in this phase. */
  readonly donePages: number;
  readonly totalPages: number;
  /** Milliseconds since the phase began. */
  readonly elapsedMs: number;
}

/** What the input is: known before the work starts, the first line a person sees. */
export interface InputReport {
  readonly path: string;
  /** "ELF", "kdump-compressed". */
  readonly format: string;
  /** Bytes of memory that the input describes. */
  readonly ramBytes: number;
  /** "6.1.0-56-amd64"; undefined when nothing says so. */
  readonly release: string | undefined;
  readonly architecture: string;
  readonly pageSizeBytes: number;
  readonly pageTableLevels: number | undefined;
  /** Where VMCOREINFO came from: "note", "memory scan", "file"; undefined when there is none. */
  readonly vmcoreinfoFrom: 'note' | 'memory scan' | 'file' | undefined;
  /** "0x8000000000000" as text, because it does not fit a JSON number safely; undefined when memory was not encrypted. */
  readonly smeMask: string | undefined;
  /** Bit number of the mask. */
  readonly smeMaskBit: number | undefined;
  /** Level of an input that was already filtered, 0 otherwise. */
  readonly dumpLevel: number;
}

export interface PhaseReport {
  readonly phase: Phase;
  readonly pages: number;
  readonly ms: number;
}

export interface DumpReport {
  readonly input: InputReport;
  readonly output: {
    /** Undefined for a dry run without a name. */
    readonly path: string | undefined;
    readonly format: 'kdump-compressed';
    readonly sizeBytes: number;
    /** A dry run: what depends on the pages' contents (sizes, pages of zeros, missing pages) is estimated by a sample. */
    readonly estimated: boolean;
    /** The level in the header: old | new. */
    readonly dumpLevel: number;
    readonly codec: CodecName | undefined;
    /** The level used; undefined for codecs without levels and for raw pages. */
    readonly compressionLevel: number | undefined;
    /** "libzstd 1.5.4 (native)"; undefined for raw pages. */
    readonly codecMaker: string | undefined;
  };
  /** Page frames that the input describes (bits in the first bitmap). */
  readonly totalPages: number;
  /** Page frames in the output (bits in the second bitmap), zero pages among them. */
  readonly keptPages: number;
  /** Page frames by class. With absentPages they add up to totalPages. `zero` is counted from level 1 on, as makedumpfile does. */
  readonly classes: Readonly<Record<PageClass, number>>;
  /** Page frames that the input itself no longer has (it was filtered before, or is incomplete). */
  readonly absentPages: number;
  /** The kernel's own count of free pages, where VMCOREINFO lets it be found. */
  readonly kernelFreePages: number | undefined;
  /** Bytes written for page data, and how many page bytes they hold (each page of zeros counts once for all). */
  readonly dataBytes: number;
  readonly storedPages: number;
  /** Pages that were not stored again, what that saved, and what looking for them took in all threads together. */
  readonly dedup: { readonly pages: number; readonly savedBytes: number; readonly ms: number } | undefined;
  /** Threads that worked, the main thread among them. */
  readonly threads: number;
  readonly mmap: boolean;
  readonly phases: readonly PhaseReport[];
  readonly totalMs: number;
  /** Peak resident memory of the process. */
  readonly peakRssBytes: number;
  /** Kept pages that could not be read: excluded from the data, marked as missing. */
  readonly missingPages: number;
  /** All that `onWarning` was told: one sentence each, with what to do where something can be done. */
  readonly warnings: readonly string[];
}

/** The other end of a dump: what a person at a terminal is told while it runs. */
export interface DumpObserver {
  onInput(input: InputReport): void;
  onProgress(progress: Progress): void;
  onWarning(sentence: string): void;
}
