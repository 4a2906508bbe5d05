/** What a dump is asked to do and what it tells when done: plain data, the same for the summary and for `--json`. */

import type { Walk } from '../arch/walk.ts';
import type { CodecName, MakerKind } from '../codec/codec.ts';
import type { PageClass } from '../filter/page-class.ts';
import type { Encrypted } from '../luks/target/report.ts';
import type { Census } from '../sme/census/census.ts';
import type { SharedUse } from '../sme/census/shared-uses.ts';
import type { Technology } from '../sme/census/technology.ts';
import type { MaskSource } from '../sme/mask.ts';
import type { Verdict } from '../sme/verdict/verdict.ts';
import type { FORMAT_NAMES, OutputFormat } from '../write/formats.ts';

/** What is looked at, and how. */
export interface InputRequest {
  readonly input: string;
  /** The other parts, where `input` is one of a split dump; undefined: there are none. */
  readonly moreParts?: readonly string[] | undefined;
  /** Threads that work, this one included; 0 is 1. undefined: as many as CPUs that this process may use. */
  readonly threads: number | undefined;
  /** Whether the input's bytes are mapped or read. undefined: mapped where that is possible. */
  readonly mmap: boolean | undefined;
  /** --sme-mask: overrides what VMCOREINFO says. */
  readonly smeMask: bigint | undefined;
  /** -i: a file with VMCOREINFO's lines. */
  readonly vmcoreinfoFile: string | undefined;
  /** -x: a vmlinux with debug information, in its place. */
  readonly vmlinuxFile?: string | undefined;
}

/** A validated command line. */
export interface DumpRequest extends InputRequest {
  /** Undefined for a dry run, and where the dump goes to a stream. */
  readonly output: string | undefined;
  /** Undefined: kdump-compressed. */
  readonly format?: OutputFormat;
  /** The other files of a split dump (--split). */
  readonly moreOutputs?: readonly string[];
  /** -F: an open file that gets the dump as a flattened stream. */
  readonly stream?: { readonly fd: number; readonly path: string } | undefined;
  /** -L: no file gets larger. */
  readonly mostBytes?: number | undefined;
  /** What is tried one after the other where the dump does not fit: `-d 31,17` has 17 here. Not of a stream. */
  readonly otherLevels?: readonly number[];
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
  readonly overwrite: boolean;
  readonly keepIncomplete: boolean;
  readonly strict: boolean;
  /** Leaves out pages that were shared (decrypted) while the machine ran. */
  readonly excludeShared: boolean;
  /** Writes a dump even of what looks like ciphertext. */
  readonly allowCiphertext: boolean;
  /** Writes only to where all is encrypted. */
  readonly requireEncryptedTarget: boolean;
  /** Where the kernel log goes before anything else is done; undefined: nowhere. */
  readonly saveDmesg: string | undefined;
  /** --config: rules of what is erased, by the names of `vmlinuxFile`; undefined: nothing is. */
  readonly eraseConfig?: string | undefined;
  /** Of the log only what came behind the last `dmesg --clear`. */
  readonly partialDmesg: boolean;
  /** A virtual address whose walk is told before anything else is done. */
  readonly vtop: bigint | undefined;
  /** --work-dir and --splitblock-size, in bytes. */
  readonly workDir?: string | undefined;
  readonly splitblockBytes: number | undefined;
}

/** Names of all files that the request has written. */
export function outputPaths({
  output,
  moreOutputs = [],
}: Pick<DumpRequest, 'output' | 'moreOutputs'>): readonly string[] {
  return output === undefined ? [] : [output, ...moreOutputs];
}

/** A validated command line of `smelt --dump-dmesg`. */
export interface DmesgRequest extends InputRequest {
  /** Undefined: to whoever takes the text. */
  readonly output: string | undefined;
  readonly overwrite: boolean;
  readonly requireEncryptedTarget: boolean;
  /** Only what came behind the last `dmesg --clear`. */
  readonly partialDmesg: boolean;
}

/** A validated command line of `smelt -g`. */
export interface VmcoreinfoRequest {
  readonly vmlinuxFile: string;
  readonly output: string;
}

/** What `smelt -g` tells. */
export interface VmcoreinfoReport {
  readonly vmlinux: string;
  /** Of the kernel that the vmlinux is of. */
  readonly release: string;
  readonly path: string;
  /** Lines of the file. */
  readonly values: number;
  readonly totalMs: number;
  readonly peakRssBytes: number;
}

/** A validated command line of `smelt -R`. */
export interface RearrangeRequest {
  readonly output: string;
  readonly overwrite: boolean;
  readonly keepIncomplete: boolean;
  readonly requireEncryptedTarget: boolean;
}

/** Where pages go that are taken as they are stored. */
export interface GatherRequest
  extends Pick<
    DumpRequest,
    | 'input'
    | 'moreParts'
    | 'output'
    | 'threads'
    | 'codec'
    | 'compressionLevel'
    | 'codecMaker'
    | 'overwrite'
    | 'keepIncomplete'
    | 'requireEncryptedTarget'
    | 'workDir'
  > {}

/** A validated command line of `smelt sme`. */
export interface SmeRequest extends InputRequest {
  /** Where the two bitmaps of the census go; undefined: nowhere. */
  readonly pagesFile: string | undefined;
  readonly overwrite: boolean;
}

/**
 * `search` is for VMCOREINFO, in a dump without the note; most dumps do without. `census` counts page tables instead of the
 * pages that they map; `zeros` looks for pages of zeros before any is written, `copy` writes pages as they are in memory, and
 * `gather` as they are stored; `verify` unpacks them, `diff` holds those of two dumps against each other,
 * and `frames` says of each page frame what it is.
 */
export type Phase =
  | 'search'
  | 'census'
  | 'classify'
  | 'zeros'
  | 'compress'
  | 'copy'
  | 'gather'
  | 'verify'
  | 'diff'
  | 'frames';

/** Told at the start of the work and then again and again; the numbers of a phase only grow. */
export interface Progress {
  readonly phase: Phase;
  /** Page frames done and to do in this phase. */
  readonly donePages: number;
  readonly totalPages: number;
  /** Milliseconds since the phase began. */
  readonly elapsedMs: number;
}

/** Page frames one behind the other. */
export interface PfnRun {
  readonly pfn: number;
  readonly count: number;
}

/** What every run tells of itself. */
export interface RunReport {
  readonly totalMs: number;
  /** Peak resident memory of the process. */
  readonly peakRssBytes: number;
  /** All that `onWarning` was told: one sentence each, with what to do where something can be done. */
  readonly warnings: readonly string[];
}

/** And one that threads share. */
export interface TeamReport extends RunReport {
  /** Threads that worked, the main thread among them. */
  readonly threads: number;
  readonly phases: readonly PhaseReport[];
}

/** What the input is: known before the work starts, the first line a person sees. */
export interface InputReport {
  readonly path: string;
  /** The other parts of a split dump, as they were given; mostly there are none. */
  readonly moreParts: readonly string[];
  /** "ELF", "kdump-compressed". */
  readonly format: string;
  /** Whether it is read out of a flattened file. */
  readonly flattened: boolean;
  /** Bytes of memory that the input describes. */
  readonly ramBytes: number;
  /** "6.1.0-56-amd64"; undefined when nothing says so. */
  readonly release: string | undefined;
  /** Seconds since 1970; undefined where the machine did not crash, or does not say when. */
  readonly crashTime: number | undefined;
  readonly architecture: string;
  readonly pageSizeBytes: number;
  readonly pageTableLevels: number | undefined;
  /** Where VMCOREINFO came from: "note", "memory scan", "file"; undefined when there is none. */
  readonly vmcoreinfoFrom: 'note' | 'memory scan' | 'file' | undefined;
  /** "0x8000000000000" as text, because it does not fit a JSON number safely; undefined when memory was not encrypted. */
  readonly smeMask: string | undefined;
  /** Bit number of the mask. */
  readonly smeMaskBit: number | undefined;
  /** Who says so: VMCOREINFO, --sme-mask, or the top-level page table. */
  readonly smeMaskFrom: MaskSource | undefined;
  /** Level of an input that was already filtered, 0 otherwise. */
  readonly dumpLevel: number;
}

/** Shared page frames that lie one behind the other. */
export interface SharedRange {
  readonly pfn: number;
  readonly count: number;
  /** Undefined: not known. */
  readonly use: SharedUse | undefined;
  /** How many of its pages are of which class; undefined where there is no memory map. */
  readonly classes: Partial<Readonly<Record<PageClass, number>>> | undefined;
}

/** What the page tables say of the memory, without the page frames themselves. */
export interface CensusReport extends Omit<Census, 'frames'> {
  /** Undefined where neither the kernel's variables nor its log say it. */
  readonly technology: Technology | undefined;
  /** Shared pages by what they are for, the rest last. */
  readonly shared: readonly { readonly use: SharedUse | undefined; readonly pages: number }[];
  /** In ascending order, the 10,000 largest; empty where only the sums were asked for. */
  readonly sharedRanges: readonly SharedRange[];
  /** How many there are in all; undefined where only the sums were asked for. */
  readonly sharedRangeCount: number | undefined;
}

/** What `smelt sme` tells. */
export interface SmeReport extends TeamReport {
  readonly input: InputReport;
  readonly verdict: Verdict;
  /** Undefined where no page tables can be found; then the field below says why, and what to do. */
  readonly census: CensusReport | undefined;
  readonly noCensus: { readonly why: string; readonly hint: string | undefined } | undefined;
  readonly pagesFile: string | undefined;
}

/** Whether what is written to the output's path is encrypted on its way to the disk, and a sentence that says why. */
export interface TargetProtection {
  readonly encrypted: Encrypted;
  readonly why: string;
}

/** The kernel log as text: `[    1.234567] [      T1] message`. */
export interface LogReport {
  /** Undefined: it went to standard output. */
  readonly path: string | undefined;
  readonly records: number;
  /** At least so many are damaged or not in the input. */
  readonly lostRecords: number;
  readonly sizeBytes: number;
  /** Looked at where memory was encrypted, or for --require-encrypted-target. */
  readonly targetProtection: TargetProtection | undefined;
}

/** What `smelt --dump-dmesg` tells. */
export interface DmesgReport extends RunReport {
  readonly input: InputReport;
  readonly log: LogReport;
}

/** What `smelt --mem-usage` tells. */
export interface UsageReport extends TeamReport {
  readonly input: InputReport;
  /** Page frames that the input describes. */
  readonly totalPages: number;
  /** By class, as a dump at level 31 has them. With absentPages they add up to totalPages. */
  readonly classes: Readonly<Record<PageClass, number>>;
  /** Page frames that the input itself no longer has. */
  readonly absentPages: number;
  /** Of those that would stay: they could not be read, and may be pages of zeros. They are among `kernel`. */
  readonly missingPages: number;
  readonly kernelFreePages: number | undefined;
}

/** What `smelt -R` tells. */
export interface RearrangeReport extends RunReport {
  readonly output: { readonly path: string; readonly sizeBytes: number };
  /** What was read, up to the end mark. */
  readonly input: { readonly records: number; readonly sizeBytes: number };
  /** Looked at for --require-encrypted-target. */
  readonly targetProtection: TargetProtection | undefined;
}

/** A validated command line of `smelt salvage`; without an output nothing is written. */
export interface SalvageRequest extends GatherRequest, InputRequest {
  /** Only looks at what can be saved. */
  readonly dryRun: boolean;
}

/** Why a page that a broken dump should have is lost. */
export interface LostPages {
  /** Marked as missing in the dump itself, which was never finished. */
  readonly neverWritten: number;
  /** Its descriptor or its bytes lie behind the end, or where the stream has nothing. */
  readonly cutOff: number;
  /** Its descriptor says what cannot be. */
  readonly badDescriptor: number;
  /** Its bytes do not unpack to a page. */
  readonly notWhole: number;
  /** It is stored as it is, and some of its bytes are also another page's. */
  readonly overlapping: number;
  /** The system refused to read it. */
  readonly unreadable: number;
  /** Nobody here can unpack it. */
  readonly noCodec: number;
  /** In a part of a split dump that was not given. */
  readonly otherPart: number;
}

/** What `smelt salvage` tells. */
export interface SalvageReport extends TeamReport {
  readonly input: InputReport;
  /** What was seen to be wrong with the file as a whole: sentences. */
  readonly damage: readonly string[];
  /** Pages that it says were lost when it was salvaged itself: they are not among those below. */
  readonly lostBefore: number;
  readonly output: {
    /** Undefined: nothing was written. */
    readonly path: string | undefined;
    readonly sizeBytes: number;
    /** Whether it says of itself that it is not whole: pages are lost, or the input said so. */
    readonly incomplete: boolean;
    readonly codec: CodecName | undefined;
    /** "libzstd 1.5.4 (native)"; undefined where pages stay packed as they were. */
    readonly codecMaker: string | undefined;
  };
  /** Page frames that the dump should have, and those of them that it has whole. */
  readonly claimedPages: number;
  readonly savedPages: number;
  readonly lostPages: number;
  readonly lost: LostPages;
  /** How many runs of page frames are lost; the first and the last of them. */
  readonly lostRanges: number;
  readonly firstLost: PfnRun | undefined;
  readonly lastLost: PfnRun | undefined;
  /** CPUs whose registers are there. */
  readonly cpus: number;
  /** Of the kernel log; undefined where it cannot be found, and then why. */
  readonly log: { readonly records: number; readonly lostRecords: number } | undefined;
  readonly noLog: string | undefined;
  readonly targetProtection: TargetProtection | undefined;
}

/** What `smelt --reassemble` tells. */
export interface ReassembleReport extends TeamReport {
  readonly input: InputReport;
  readonly output: { readonly path: string; readonly sizeBytes: number };
  /** Page frames in the output, pages of zeros among them, and those of them that the parts have no bytes of. */
  readonly pages: number;
  readonly missingPages: number;
  readonly targetProtection: TargetProtection | undefined;
}

export interface PhaseReport {
  readonly phase: Phase;
  readonly pages: number;
  readonly ms: number;
}

export interface DumpReport {
  readonly input: InputReport;
  /** Of --vtop. */
  readonly vtop: Walk | undefined;
  readonly output: {
    /** Undefined for a dry run without a name. */
    readonly path: string | undefined;
    readonly format: (typeof FORMAT_NAMES)[OutputFormat];
    /** Of all files together. */
    readonly sizeBytes: number;
    /** What the file system has stored of that: holes take no room. Of a stream it is all. */
    readonly storedBytes: number;
    /** Each file that was written, and of a dry run each that would be. */
    readonly files: readonly { readonly path: string; readonly sizeBytes: number }[];
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
  /** And those between them that are no memory, from address 0 on. */
  readonly holePages: number;
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
  /** Taken where memory was encrypted, or for --exclude-shared; undefined otherwise and where it could not be taken. */
  readonly census: CensusReport | undefined;
  readonly verdict: Verdict;
  /** Looked at where memory was encrypted, or for --require-encrypted-target; undefined otherwise and where nothing is written. */
  readonly targetProtection: TargetProtection | undefined;
  /** Of --save-dmesg; undefined without it, and where the log could not be saved: then there is a warning. */
  readonly log: LogReport | undefined;
  /** Of --config: what the rules erase, and how many bytes of the memory that is. */
  readonly erased?: { readonly places: number; readonly bytes: number } | undefined;
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
  /** Of --vtop, before the dump begins. */
  onWalk?(walk: Walk): void;
  /** From now on something is in the stream. */
  onStream?(): void;
  /** The log is saved, and the dump begins. */
  onLog?(log: LogReport): void;
}
