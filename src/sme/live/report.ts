/** What `smelt sme --live` finds out about a running machine: plain data, each fact with where it comes from. */

/** A fact, and the file that says so. Where `value` is undefined it is not known, and `source` says why. */
export interface Fact<T> {
  readonly value: T | undefined;
  readonly source: string;
}

export const known = <T>(value: T, source: string): Fact<T> => ({ value, source });
export const unknown = (why: string): Fact<never> => ({ value: undefined, source: why });

/** Flags of /proc/cpuinfo that have to do with encryption. But for tdx_guest they say what is there to use, not what is in use. */
export const CPU_FLAGS = ['sme', 'sev', 'sev_es', 'sev_snp', 'tdx_guest', 'hypervisor'] as const;
export type CpuFlag = (typeof CPU_FLAGS)[number];

/** What is active, in the kernel's own words; of a SEV guest whose MSRs and log cannot be read the kind is not known. */
export type Encryption = 'none' | 'SME' | 'SEV' | 'SEV-ES' | 'SEV-SNP' | 'SEV of unknown kind' | 'TDX';

export const isEncrypted = ({ value }: Fact<Encryption>): boolean => value !== undefined && value !== 'none';

export type MemEncrypt = 'on' | 'off';

/** The packages that load a crash kernel: of Debian and Ubuntu, of Fedora and RHEL, of SUSE. */
export type KdumpTools = 'kdump-tools' | 'kdump-utils' | 'SUSE kdump';

export interface CpuReport {
  /** "AuthenticAMD", "HygonGenuine", "GenuineIntel" … */
  readonly vendor: Fact<string>;
  readonly model: Fact<string>;
  readonly flags: Fact<readonly CpuFlag[]>;
  readonly isGuest: Fact<boolean>;
  /** Bit 23 of SYSCFG: the firmware lets the kernel encrypt. */
  readonly syscfgMemEncrypt: Fact<boolean>;
  /** What MSR_AMD64_SEV says is active; only a SEV guest has a bit set in it. */
  readonly sevStatus: Fact<readonly ('SEV' | 'SEV-ES' | 'SEV-SNP')[]>;
  /** Whether CPUID 0x8000001F names SME. */
  readonly cpuidSme: Fact<boolean>;
  /** The bit of a page-table entry that says "encrypted". */
  readonly cBit: Fact<number>;
}

export interface FirstKernelReport {
  /** As `uname -r` names it. */
  readonly release: Fact<string>;
  readonly commandLine: Fact<string>;
  /** What the command line and the kernel's configuration ask for; whether it came to be is `encryption`. */
  readonly memEncrypt: Fact<MemEncrypt>;
  /** NUMBER(sme_mask) of the running kernel, in hexadecimal. */
  readonly smeMask: Fact<string>;
  /** The message in which the kernel names what is active. */
  readonly logLine: Fact<string>;
  readonly encryption: Fact<Encryption>;
}

export interface KdumpReport {
  readonly tools: Fact<KdumpTools>;
  /** Whether a crash kernel is loaded. */
  readonly loaded: Fact<boolean>;
  /** False where the running kernel is built without the means to load one. */
  readonly canLoad: boolean;
  /** Which kernel it is, by the configuration. Linux does not say what really was loaded. */
  readonly release: Fact<string>;
  /** By the configuration, without what the tools themselves add. */
  readonly commandLine: Fact<string>;
  readonly memEncrypt: Fact<MemEncrypt>;
}

export interface MemoryReport {
  readonly ramBytes: Fact<number>;
  /** crashkernel= of /proc/cmdline. */
  readonly crashkernel: Fact<string>;
  readonly reservedBytes: Fact<number>;
  /** What should be reserved: the distribution's default or a rule of thumb, and 64 MiB more where memory is encrypted. */
  readonly wantedBytes: Fact<number>;
  /** Whether `wantedBytes` is a rule of thumb. */
  readonly isRuleOfThumb: boolean;
}

/** A row of the support matrix: what the crash kernel can read of the first kernel's memory. */
export interface MatrixRow {
  readonly first: MemEncrypt | undefined;
  readonly kdump: MemEncrypt | undefined;
  readonly readable: boolean | undefined;
  /** One sentence. */
  readonly why: string;
}

export interface Problem {
  /** One sentence: what is wrong. */
  readonly what: string;
  /** One sentence: what to do. */
  readonly todo: string;
}

export interface LiveReport {
  readonly cpu: CpuReport;
  readonly kernel: FirstKernelReport;
  readonly kdump: KdumpReport;
  readonly memory: MemoryReport;
  readonly row: MatrixRow;
  /** Whether a crash now would leave a dump that can be read; undefined: not known. */
  readonly readable: boolean | undefined;
  /** Why not, or why it is not known; the first to be dealt with first. */
  readonly problems: readonly Problem[];
  /** What one should know besides. */
  readonly notes: readonly string[];
}
