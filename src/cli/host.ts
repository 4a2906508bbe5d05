/** What the command line touches of the world, so that tests can stand in for it. */

import type { BenchObserver, BenchReport, BenchRequest } from '../bench/report.ts';
import type { LiveReport } from '../sme/live/report.ts';
import type { ByteStream } from '../workers/rearrange.ts';
import type {
  DmesgReport,
  DmesgRequest,
  DumpObserver,
  DumpReport,
  DumpRequest,
  GatherRequest,
  InputRequest,
  RearrangeReport,
  RearrangeRequest,
  ReassembleReport,
  SalvageReport,
  SalvageRequest,
  SmeReport,
  SmeRequest,
  UsageReport,
  VmcoreinfoReport,
  VmcoreinfoRequest,
} from '../workers/report.ts';
import type { Stdin } from './stdin.ts';

/** Where text goes: process.stdout, process.stderr, or a test's list. */
export interface Sink {
  readonly isTTY: boolean;
  /** 0 when it is not known. */
  readonly columns: number;
  write(text: string): void;
  /**
   * The same for what is the result itself and may be much: resolves when it is taken, so that no more than this waits for a slow reader.
   * @throws SmeltError WRITE when it cannot be written, a reader that is gone among the reasons
   */
  pass(text: string | Uint8Array): Promise<void>;
}

/**
 * Filters and compresses; the engine behind `smelt dump`. An abort makes it clean up and throw INTERRUPTED.
 * @throws SmeltError
 */
export type Engine = (
  request: DumpRequest,
  observer: DumpObserver,
  signal: AbortSignal,
) => Promise<DumpReport>;

/** Writes the kernel log; the engine behind `smelt --dump-dmesg`. Without a file the text goes to `write`. @throws SmeltError */
export type DmesgEngine = (
  request: DmesgRequest,
  observer: DumpObserver,
  signal: AbortSignal,
  write: (text: string) => Promise<void>,
) => Promise<DmesgReport>;

/** Writes a file for -i; the engine behind `smelt -g`. @throws SmeltError */
export type VmcoreinfoEngine = (request: VmcoreinfoRequest, signal: AbortSignal) => Promise<VmcoreinfoReport>;
/** Counts pages by kind; the engine behind `smelt --mem-usage`. @throws SmeltError */
export type UsageEngine = (
  request: InputRequest & Pick<DumpRequest, 'workDir'>,
  observer: DumpObserver,
  signal: AbortSignal,
) => Promise<UsageReport>;
/** Puts a flattened dump in order; the engine behind `smelt -R`. `onProgress` is told the bytes read. @throws SmeltError */
export type RearrangeEngine = (
  request: RearrangeRequest,
  stream: ByteStream,
  onProgress: (readBytes: number) => void,
  signal: AbortSignal,
) => Promise<RearrangeReport>;

/** Joins the parts of a split dump; the engine behind `smelt --reassemble`. @throws SmeltError */
export type ReassembleEngine = (
  request: GatherRequest & { readonly output: string },
  observer: DumpObserver,
  signal: AbortSignal,
) => Promise<ReassembleReport>;

/** Saves what is whole of a broken dump; the engine behind `smelt salvage`. @throws SmeltError */
export type SalvageEngine = (
  request: SalvageRequest,
  observer: DumpObserver,
  signal: AbortSignal,
) => Promise<SalvageReport>;

/** Takes the census of a dump; the engine behind `smelt sme`. @throws SmeltError */
export type SmeEngine = (
  request: SmeRequest,
  observer: DumpObserver,
  signal: AbortSignal,
) => Promise<SmeReport>;

/** Measures; the engine behind `smelt bench`. @throws SmeltError */
export type BenchEngine = (
  request: BenchRequest,
  observer: BenchObserver,
  signal: AbortSignal,
) => Promise<BenchReport>;

export interface Host {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What is given on standard input; whoever waits for it is woken when the signal is aborted. @throws SmeltError INPUT_OPEN */
  openStdin(signal: AbortSignal): Stdin | 'terminal';
  /** What stderr really is ("/dev/console"), where that can be known. */
  readonly stderrDevice: string | undefined;
  /** Loads the engine only when there is something to do, so that --help and --version are quick. */
  loadEngine(): Promise<Engine>;
  loadDmesg(): Promise<DmesgEngine>;
  loadVmcoreinfo(): Promise<VmcoreinfoEngine>;
  loadUsage(): Promise<UsageEngine>;
  loadRearrange(): Promise<RearrangeEngine>;
  loadReassemble(): Promise<ReassembleEngine>;
  loadSalvage(): Promise<SalvageEngine>;
  loadSme(): Promise<SmeEngine>;
  /** Looks at the machine below a root directory. */
  loadLive(): Promise<(root: string) => LiveReport>;
  /** What `smelt luks` does. */
  loadLuks(): Promise<typeof import('../luks/actions.ts')>;
  loadBench(): Promise<BenchEngine>;
  /** What looks into a dump. */
  loadLooks(): Promise<typeof import('../inspect/looks.ts')>;
  /** The name that this program was started by: "smelt", "makedumpfile" through a link. */
  readonly calledAs: string;
  /** The command that starts this program once more, without arguments. */
  readonly program: readonly string[];
  /** Calls `listener` with "SIGINT" … until the returned function is called. */
  onSignal(listener: (name: string) => void): () => void;
  /** Whether nobody gave this process a standard output. */
  isStdoutClosed(): boolean;
  /** Makes an empty file that was not there, for whoever started this program. */
  touch(path: string): void;
  /** Ends the process on the spot. */
  exitNow(code: number): void;
}
