/** What a benchmark is asked to do and what it tells when done: plain data, the same for the table, the picture and `--json`. */

import type { CodecName, MakerKind } from '../codec/codec.ts';
import type { InputReport } from '../workers/report.ts';
import type { Spread } from './spread.ts';
import type { SyntheticSummary } from './synthetic.ts';

/** A validated command line. */
export interface BenchRequest {
  /** The command that starts smelt, without arguments: whole runs are measured as processes of their own. */
  readonly program: readonly string[];
  /** The dump; with `synthetic` the file it is made in, undefined: one that is removed again. */
  readonly input: string | undefined;
  readonly synthetic: { readonly ramBytes: number; readonly seed: number | undefined } | undefined;
  /** Compare with this program instead of measuring smelt's parts. */
  readonly peer: { readonly program: string; readonly threads: number | undefined } | undefined;
  /** With a peer: both only classify. */
  readonly dryRun: boolean;
  readonly dumpLevel: number;
  readonly codec: CodecName;
  readonly compressionLevel: number | undefined;
  /** undefined: some numbers of threads up to the CPUs; with a peer as many as smelt takes by default. */
  readonly threads: number | undefined;
  /** 0: only makes the synthetic dump. */
  readonly rounds: number;
  /** A folder of its own is made in here, and removed. */
  readonly workDir: string;
  readonly smeMask: bigint | undefined;
  readonly vmcoreinfoFile: string | undefined;
}

export interface BenchReport {
  readonly input: InputReport;
  readonly machine: MachineReport;
  readonly dumpLevel: number;
  readonly codec: CodecName;
  readonly compressionLevel: number | undefined;
  readonly rounds: number;
  readonly workDir: WorkDirReport;
  /** undefined: a real dump. */
  readonly synthetic: SyntheticReport | undefined;
  /** undefined with a peer. */
  readonly parts: PartsReport | undefined;
  /** undefined without one. */
  readonly peer: PeerReport | undefined;
  readonly totalMs: number;
  /** What is unusual and makes numbers mean something else: one sentence each. */
  readonly warnings: readonly string[];
}

export interface MachineReport {
  /** As /proc/cpuinfo names it: "AMD EPYC 7763 64-Core Processor". */
  readonly cpu: string;
  /** CPUs that this process may use. */
  readonly cpus: number;
  readonly memoryBytes: number;
  /** "v20.19.0". */
  readonly node: string;
  /** Of the kernel that the benchmark ran on. */
  readonly kernel: string;
}

export interface WorkDirReport {
  readonly path: string;
  /** Whether it lies in memory (tmpfs, ramfs). */
  readonly inMemory: boolean;
}

export interface SyntheticReport extends SyntheticSummary {
  readonly seed: number | undefined;
  /** Where it was kept; undefined: removed. */
  readonly path: string | undefined;
  /** To make it. */
  readonly ms: number;
}

/** Each part of a dump on its own, and whole runs. */
export interface PartsReport {
  readonly memory: MemoryReport;
  readonly reading: readonly ReadingReport[];
  readonly classifying: readonly ClassifyingReport[];
  readonly zeroes: ZeroReport;
  readonly sample: SampleReport;
  readonly codecs: readonly CodecReport[];
  /** Makers that cannot be had here, and why. */
  readonly missing: readonly MissingMaker[];
  readonly writing: WritingReport;
  readonly runs: readonly RunReport[];
  readonly advice: AdviceReport;
}

/** How fast one thread reads memory here. */
export interface MemoryReport {
  /** What was done: "memcmp of two buffers". */
  readonly by: string;
  readonly bytes: number;
  readonly bytesPerSecond: Spread;
}

export interface ReadingReport {
  readonly access: 'read' | 'mmap';
  /** Of the dump's memory, evenly spread. */
  readonly bytes: number;
  readonly bytesPerSecond: Spread;
  /** The warm-up: the only pass that may have come from the disk. */
  readonly firstBytesPerSecond: number;
}

export interface ClassifyingReport {
  /** That work, the main thread among them. */
  readonly threads: number;
  readonly pages: number;
  readonly nsPerPage: Spread;
  readonly pagesPerSecond: Spread;
  /** Bytes of memory that these pages are. */
  readonly ramBytesPerSecond: Spread;
  /** Bytes of struct pages a second by what one thread reads of memory; undefined where they cannot be read. */
  readonly shareOfMemory: number | undefined;
}

export interface ZeroReport {
  readonly zeroNsPerPage: Spread;
  readonly otherNsPerPage: Spread;
  readonly zeroBytesPerSecond: Spread;
  readonly otherBytesPerSecond: Spread;
}

/** Kept pages that are not zero, evenly spread over the dump. */
export interface SampleReport {
  readonly pages: number;
  readonly pageSizeBytes: number;
  readonly seed: number;
  /** Page frames that the level keeps, pages of zeros among them. */
  readonly keptPages: number;
  /** How many of them are not zero. */
  readonly storedPages: number;
}

/** `raw`: pages stored as they are. */
export interface Setting {
  readonly codec: CodecName | 'raw';
  /** undefined for codecs without levels. */
  readonly level: number | undefined;
  readonly kind: MakerKind | undefined;
}

export interface CodecReport extends Setting {
  /** "libzstd 1.5.4"; "" for raw. */
  readonly maker: string;
  /** Pages that a round is timed on; the ratio is that of the whole sample. */
  readonly timedPages: number;
  readonly compressBytesPerSecond: Spread;
  readonly decompressBytesPerSecond: Spread;
  /** Bytes of pages by bytes stored: 3.2. */
  readonly ratio: number;
  /** Pages that do not get smaller and are stored raw. */
  readonly rawPages: number;
}

export interface MissingMaker {
  readonly codec: CodecName;
  readonly kind: MakerKind;
  /** "libzstd.so.1 is not installed". */
  readonly reason: string;
}

export interface WritingReport {
  readonly bytes: number;
  /** Into the system's cache: 1 MiB at a time, without a sync. */
  readonly bytesPerSecond: Spread;
  /** fsync of these bytes after that. */
  readonly syncMs: Spread;
  /** Both together. */
  readonly syncedBytesPerSecond: Spread;
}

/** A whole run of smelt, as a process. */
export interface RunReport {
  readonly threads: number;
  readonly wallMs: Spread;
  /** Of it, what goes by before the engine starts and after its end. */
  readonly startMs: Spread;
  readonly classifyMs: Spread;
  readonly compressMs: Spread;
  /** Kept pages by wall time. */
  readonly keptBytesPerSecond: Spread;
  readonly sizeBytes: number;
  /** Of it, the pages; the rest are headers, bitmaps and page descriptors. */
  readonly dataBytes: number;
  /** The largest of all rounds. */
  readonly peakRssBytes: number;
}

export interface Estimate extends Setting {
  readonly ms: number;
  readonly bytes: number;
}

/**
 * Whole runs with each codec and level, estimated from one that was measured (`anchor`) and a model of how much longer or
 * shorter the others take: what it takes to start smelt, and the larger of (a) classifying and then reading, compressing
 * and writing each stored page, divided among the threads, and (b) bringing the compressed bytes to the disk at its
 * measured speed. `bytes` is the size of the whole file.
 */
export interface AdviceReport {
  readonly threads: number;
  readonly estimates: readonly Estimate[];
  readonly fastest: Estimate;
  /** Of those measured: there are higher levels. */
  readonly smallest: Estimate;
  /** The least product of time and size. */
  readonly between: Estimate;
  /** The setting and number of threads of the run that all are estimated from, what it took, and what the model alone says of it. */
  readonly anchor: {
    readonly codec: CodecName;
    readonly level: number | undefined;
    readonly threads: number;
    readonly measuredMs: number;
    readonly modelledMs: number;
  };
}

export interface PeerReport {
  /** As asked for: "makedumpfile". */
  readonly program: string;
  /** Its own first words: "makedumpfile: version 1.7.2 (released on 20 Oct 2022)". */
  readonly version: string;
  readonly dryRun: boolean;
  readonly threads: number;
  /** What --num-threads told it; 0: it was not told. */
  readonly peerThreads: number;
  /** What each number of threads took in the warm-up, the quickest of which was taken; a single one where it was asked for. */
  readonly peerTrials: readonly { readonly threads: number; readonly ms: number }[];
  readonly pairs: readonly PairReport[];
  readonly smelt: SideReport;
  readonly peer: SideReport;
  /** smelt's time by the peer's in the same pair: below 1, smelt is faster. */
  readonly ratio: Spread;
  /** undefined in a dry run. */
  readonly samePages: SamePagesReport | undefined;
}

export interface PairReport {
  readonly smeltMs: number;
  readonly peerMs: number;
  readonly ratio: number;
}

export interface SideReport {
  readonly wallMs: Spread;
  /** After its end, untimed there: what its output still took to reach the disk. smelt waits for that itself. */
  readonly syncMs: Spread | undefined;
  /** undefined in a dry run. */
  readonly sizeBytes: number | undefined;
  /** In the warm-up: smelt's own account, and of the peer what was last seen of it before it ended. */
  readonly peakRssBytes: number | undefined;
  readonly phases: readonly PhaseSpread[];
}

/** A step by its program's own name and clock. */
export interface PhaseSpread {
  readonly name: string;
  readonly ms: Spread;
}

/** smelt's second bitmap held against the peer's, page frame by page frame, and the kept pages' contents. */
export interface SamePagesReport {
  readonly same: boolean;
  /** Page frames that only one of both keeps. */
  readonly differ: number;
  readonly keptByBoth: number;
  readonly onlySmelt: number;
  readonly onlyPeer: number;
  /** Of onlySmelt: known differences, each explained in docs/notes/differences-from-makedumpfile.md. */
  readonly behindPeersEnd: number;
  readonly partlyInInput: number;
  /** Up to ten runs of the page frames that differ and are neither. */
  readonly unexplained: readonly {
    readonly pfn: number;
    readonly count: number;
    readonly keptBy: 'smelt' | 'peer';
  }[];
  readonly comparedContents: number;
  readonly differentContents: number;
}

/** The other end: what a person at a terminal is told while it runs. */
export interface BenchObserver {
  onInput(input: InputReport): void;
  onStep(step: Step): void;
  onWarning(sentence: string): void;
  /** The folder that is removed in the end. */
  onWorkDir(path: string): void;
}

export interface Step {
  /** What is measured now: "codecs". */
  readonly part: string;
  /** Which one of that part: "zstd 3, native"; "" when there is but one. */
  readonly detail: string;
  /** 0 is the warm-up. */
  readonly round: number;
  readonly rounds: number;
}
