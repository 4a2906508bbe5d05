/** What `smelt info` tells: plain data, the same for the screen and for `--json`. Undefined: the dump does not say. */

import type { LogEntry } from '../../kernel/log-entry.ts';
import type { Technology } from '../../sme/census/technology.ts';
import type { InputReport, RunReport } from '../../workers/report.ts';

export interface InfoReport extends RunReport {
  readonly input: InputReport;
  readonly crash: CrashReport;
  readonly kernel: KernelReport;
  /** In the order of their numbers. */
  readonly cpus: readonly CpuReport[];
  readonly memory: MemoryReport;
  readonly encryption: EncryptionReport | undefined;
  readonly file: FileReport;
  readonly log: LogFacts | undefined;
  /** What is not in the dump, or could not be read: sentences. */
  readonly missing: readonly string[];
}

export interface CrashReport {
  /** Whether the kernel crashed, or ran on when its memory was dumped; undefined: nothing says so. */
  readonly crashed: boolean | undefined;
  /** Milliseconds since 1970, and whose clock it is. */
  readonly timeMs: number | undefined;
  readonly timeFrom: 'VMCOREINFO' | 'timekeeper' | 'dump header' | undefined;
  /** Since boot. The log's clock may stand still while a machine sleeps. */
  readonly uptimeMs: number | undefined;
  readonly uptimeFrom: 'timekeeper' | 'kernel log' | undefined;
  /** "Kernel panic - not syncing: …"; of a kernel that died without one what it said first. */
  readonly message: string | undefined;
  /** The first Oops, BUG or panic in the log, and when that was. */
  readonly firstTrouble: LogEntry | undefined;
  /** Number of the CPU that crashed. */
  readonly cpu: number | undefined;
  /** Who ran there. */
  readonly pid: number | undefined;
  readonly comm: string | undefined;
}

export interface KernelReport {
  readonly release: string | undefined;
  /** "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2 (2026-11-16)" */
  readonly version: string | undefined;
  readonly machine: string | undefined;
  readonly nodename: string | undefined;
  /** As the firmware calls it. */
  readonly hardware: string | undefined;
  readonly commandLine: string | undefined;
  /** Letters of what tainted it, '' for nothing. */
  readonly taint: string | undefined;
  readonly kaslrOffset: bigint | undefined;
  readonly physBase: number;
  readonly pageTableLevels: number | undefined;
  /** Of its own table. */
  readonly symbols: number | undefined;
  /** Who said where that is. */
  readonly symbolsFrom: 'VMCOREINFO' | 'search' | 'vmlinux' | undefined;
  /** Whether it describes its structures. */
  readonly btf: boolean;
}

export interface CpuReport {
  readonly cpu: number;
  readonly rip: bigint;
  readonly rsp: bigint;
  readonly userMode: boolean;
  /** "default_idle+0xb" */
  readonly place: string | undefined;
  /** Undefined where a hypervisor took the registers. */
  readonly pid: number | undefined;
  readonly crashed: boolean;
}

export interface MemoryReport {
  readonly pageSizeBytes: number;
  readonly sizeBytes: number;
  readonly pages: number;
  /** Between the lowest and the highest byte, and what they have together. */
  readonly holes: number;
  readonly holeBytes: number;
  readonly firstPaddr: number;
  readonly endPaddr: number;
}

export interface EncryptionReport {
  /** The bit in page-table entries; undefined where it was set another way (TDX). */
  readonly maskBit: number | undefined;
  readonly technology: Technology | undefined;
}

export interface FileReport {
  /** Of all parts, as they lie on the disk. */
  readonly sizeBytes: number;
  readonly parts: number;
  /** Of a kdump-compressed file: its header_version, and what its pages are packed with. */
  readonly headerVersion: number | undefined;
  readonly codec: string | undefined;
  /** Whether it says of itself that it is not whole. */
  readonly incomplete: boolean;
  /** Page frames that it has bytes of, and those of the memory that it should have none of. */
  readonly storedPages: number;
  readonly leftOutPages: number;
  /** Of those that it should have: its end comes before them. */
  readonly cutPages: number;
  /** The dump itself says that they are missing: it was not finished, or is what was saved of a broken one. */
  readonly missingPages: number;
  /** Their descriptors say what cannot be. */
  readonly damagedPages: number;
  /** Not all descriptors were looked at (there are millions): of the last three there may be more, and of storedPages fewer. */
  readonly atLeast: boolean;
  readonly dumpLevel: number;
  /** What was erased, line by line, the first 1,000. */
  readonly eraseInfo: readonly string[];
}

export interface LogFacts {
  readonly records: number;
  /** At least so many are damaged or not in the dump. */
  readonly lostRecords: number;
  /** The last 50. */
  readonly last: readonly LogEntry[];
}
