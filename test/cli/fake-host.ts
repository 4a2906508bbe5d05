/** A world for the command line to run in: streams that remember, signals that a test sends, an engine that a test writes. */

import type {
  BenchEngine,
  DmesgEngine,
  Engine,
  Host,
  RearrangeEngine,
  ReassembleEngine,
  SalvageEngine,
  Sink,
  SmeEngine,
  UsageEngine,
  VmcoreinfoEngine,
} from '../../src/cli/host.ts';
import type { Stdin } from '../../src/cli/stdin.ts';
import type { LiveReport } from '../../src/sme/live/report.ts';
import type { Verdict } from '../../src/sme/verdict/verdict.ts';
import type { DumpReport, InputReport } from '../../src/workers/report.ts';

export class RecordingSink implements Sink {
  readonly isTTY: boolean;
  readonly columns: number;
  text = '';

  constructor(columns = 0) {
    this.isTTY = columns > 0;
    this.columns = columns;
  }

  write(text: string): void {
    this.text += text;
  }

  async pass(data: string | Uint8Array): Promise<void> {
    this.write(typeof data === 'string' ? data : Buffer.from(data).toString('latin1'));
  }

  /** What a terminal shows in the end: a carriage return starts the line again. */
  get screen(): string[] {
    return this.text.split('\n').map((line) => {
      let shown = '';
      for (const part of line.split('\r')) shown = part + shown.slice(part.length);
      return shown.trimEnd();
    });
  }
}

export interface FakeHost extends Host {
  readonly stdout: RecordingSink;
  readonly stderr: RecordingSink;
  readonly exits: number[];
  readonly listeners: Set<(name: string) => void>;
  send(signal: string): void;
}

export interface FakeHostOptions {
  engine?: Engine;
  bench?: BenchEngine;
  sme?: SmeEngine;
  dmesg?: DmesgEngine;
  vmcoreinfo?: VmcoreinfoEngine;
  usage?: UsageEngine;
  rearrange?: RearrangeEngine;
  reassemble?: ReassembleEngine;
  salvage?: SalvageEngine;
  looks?: Awaited<ReturnType<Host['loadLooks']>>;
  /** Without it standard input is a terminal. */
  stdin?: Stdin;
  luks?: Awaited<ReturnType<Host['loadLuks']>>;
  live?: (root: string) => LiveReport;
  /** Of a terminal on stderr; without it stderr is none. */
  columns?: number;
  /** The same of stdout. */
  stdoutColumns?: number;
  env?: Record<string, string>;
  stderrDevice?: string;
  calledAs?: string;
}

export function fakeHost(options: FakeHostOptions = {}): FakeHost {
  const listeners = new Set<(name: string) => void>();
  const exits: number[] = [];
  return {
    stdout: new RecordingSink(options.stdoutColumns),
    stderr: new RecordingSink(options.columns),
    env: options.env ?? { LANG: 'C.UTF-8', TERM: 'xterm', NO_COLOR: '1' },
    stderrDevice: options.stderrDevice,
    exits,
    listeners,
    loadEngine: async () => options.engine ?? (async () => sampleReport()),
    loadBench: async () => options.bench ?? (async () => Promise.reject(new Error('no bench in this test'))),
    loadLuks: async () => options.luks ?? (await Promise.reject(new Error('no keys in this test'))),
    loadDmesg: async () => options.dmesg ?? (async () => Promise.reject(new Error('no log in this test'))),
    loadVmcoreinfo: async () =>
      options.vmcoreinfo ?? (async () => Promise.reject(new Error('no vmlinux in this test'))),
    loadUsage: async () => options.usage ?? (async () => Promise.reject(new Error('no count in this test'))),
    loadSme: async () => options.sme ?? (async () => Promise.reject(new Error('no census in this test'))),
    openStdin: () => options.stdin ?? 'terminal',
    loadRearrange: async () =>
      options.rearrange ?? (async () => Promise.reject(new Error('nothing is rearranged in this test'))),
    loadReassemble: async () =>
      options.reassemble ?? (async () => Promise.reject(new Error('nothing is joined in this test'))),
    loadSalvage: async () =>
      options.salvage ?? (async () => Promise.reject(new Error('nothing is saved in this test'))),
    loadLive: async () =>
      options.live ??
      (() => {
        throw new Error('no machine in this test');
      }),
    loadLooks: async () =>
      options.looks ?? (await Promise.reject(new Error('nothing is looked into in this test'))),
    calledAs: options.calledAs ?? 'smelt',
    program: ['node', 'smelt'],
    onSignal: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    isStdoutClosed: () => false,
    touch: () => {},
    exitNow: (code) => exits.push(code),
    send: (signal) => {
      for (const listener of listeners) listener(signal);
    },
  };
}

export function sampleVerdict(change: Partial<Verdict> = {}): Verdict {
  return {
    outcome: 'readable',
    row: undefined,
    rowIsKnown: false,
    seen: {
      memoryPages: 1_048_576,
      knownPages: 64,
      knownRandomPages: 0,
      vmcoreinfo: 'note',
      topLevelTable: 'plausible',
      releaseInMemory: '6.12.117',
      qemuCpus: 0,
      qemuPaging: false,
      sampledPages: 0,
      missingPages: 0,
      zeroPages: 0,
      randomPages: 0,
      repeatedPages: 0,
      kernelPages: 0,
    },
    sentence: 'vmcore: the memory was read through the right mapping',
    hint: undefined,
    ...change,
  };
}

export function sampleInput(change: Partial<InputReport> = {}): InputReport {
  return {
    path: 'vmcore',
    moreParts: [],
    format: 'ELF',
    flattened: false,
    ramBytes: 4 * 2 ** 30,
    release: '6.12.117',
    crashTime: 1_795_208_171,
    architecture: 'x86_64',
    pageSizeBytes: 4096,
    pageTableLevels: 5,
    vmcoreinfoFrom: 'note',
    smeMask: '0x8000000000000',
    smeMaskBit: 51,
    smeMaskFrom: 'vmcoreinfo',
    dumpLevel: 0,
    ...change,
  };
}

/** A dump of 4 GiB at level 31. */
export function sampleReport(change: Partial<DumpReport> = {}): DumpReport {
  return {
    input: sampleInput(),
    vtop: undefined,
    output: {
      path: 'dump',
      format: 'kdump-compressed',
      sizeBytes: 31_200_000,
      storedBytes: 31_200_000,
      files: [{ path: 'dump', sizeBytes: 31_200_000 }],
      estimated: false,
      dumpLevel: 31,
      codec: 'zstd',
      compressionLevel: 1,
      codecMaker: 'libzstd 1.5.4 (native)',
    },
    totalPages: 1_048_576,
    holePages: 262_144,
    keptPages: 63_323,
    classes: {
      kernel: 38_678,
      undecided: 0,
      zero: 24_645,
      cache: 93_100,
      cachePrivate: 0,
      user: 27_311,
      free: 864_842,
      hwpoison: 0,
      offline: 0,
      shared: 0,
    },
    absentPages: 0,
    census: undefined,
    verdict: sampleVerdict(),
    targetProtection: undefined,
    log: undefined,
    kernelFreePages: 864_842,
    dataBytes: 30_400_000,
    storedPages: 38_679,
    dedup: undefined,
    threads: 2,
    mmap: false,
    phases: [
      { phase: 'classify', pages: 1_048_576, ms: 12 },
      { phase: 'compress', pages: 63_323, ms: 380 },
    ],
    totalMs: 400,
    peakRssBytes: 97.3 * 2 ** 20,
    missingPages: 0,
    warnings: [],
    ...change,
  };
}
