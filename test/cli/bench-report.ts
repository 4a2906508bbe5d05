/** A benchmark's report with made-up numbers, round enough to follow. */
import type { BenchReport, CodecReport, PartsReport, PeerReport } from '../../src/bench/report.ts';
import { spreadOf } from '../../src/bench/spread.ts';
import { sampleInput } from './fake-host.ts';

const around = (value: number) => spreadOf([value, value * 0.9, value * 1.2]);

function codec(
  name: CodecReport['codec'],
  level: number | undefined,
  kind: CodecReport['kind'],
  mb: number,
  ratio: number,
): CodecReport {
  return {
    codec: name,
    level,
    kind,
    maker: kind === undefined ? '' : `lib${name} 1.2`,
    timedPages: 2000,
    compressBytesPerSecond: around(mb * 1e6),
    decompressBytesPerSecond: around(mb * 2.5e6),
    ratio,
    rawPages: 7,
  };
}

export function samplePart(change: Partial<PartsReport> = {}): PartsReport {
  const estimates = [
    { codec: 'zstd', level: 1, kind: 'native', ms: 600, bytes: 106_400_000 },
    { codec: 'zlib', level: 9, kind: 'native', ms: 5287, bytes: 95_022_222 },
    { codec: 'lzo', level: undefined, kind: 'native', ms: 387, bytes: 167_840_000 },
  ] as const;
  return {
    memory: { by: 'memcmp of two buffers', bytes: 2 ** 29, bytesPerSecond: around(12.5e9) },
    reading: [
      { access: 'read', bytes: 2 ** 30, bytesPerSecond: around(5e9), firstBytesPerSecond: 0.4e9 },
      { access: 'mmap', bytes: 2 ** 30, bytesPerSecond: around(6e9), firstBytesPerSecond: 5e9 },
    ],
    classifying: [
      {
        threads: 1,
        pages: 1_000_000,
        nsPerPage: around(2),
        pagesPerSecond: around(500e6),
        ramBytesPerSecond: around(2048e9),
        shareOfMemory: 2.56,
      },
      {
        threads: 2,
        pages: 1_000_000,
        nsPerPage: around(1),
        pagesPerSecond: around(1000e6),
        ramBytesPerSecond: around(4096e9),
        shareOfMemory: undefined,
      },
    ],
    zeroes: {
      zeroNsPerPage: around(90),
      otherNsPerPage: around(20),
      zeroBytesPerSecond: around(45.5e9),
      otherBytesPerSecond: around(205e9),
    },
    sample: { pages: 2000, pageSizeBytes: 4096, seed: 1, keptPages: 123_456, storedPages: 100_000 },
    codecs: [
      codec('zstd', 1, 'native', 500, 4),
      codec('zstd', 1, 'portable', 150, 3.9),
      codec('zlib', 9, 'native', 40, 4.5),
      codec('lzo', undefined, 'native', 1000, 2.5),
      codec('snappy', undefined, 'portable', 200, 2.4),
      codec('raw', undefined, undefined, 8000, 1),
    ],
    missing: [{ codec: 'snappy', kind: 'native', reason: 'libsnappy.so.1 is not installed' }],
    writing: {
      bytes: 2 ** 28,
      bytesPerSecond: around(1e9),
      syncMs: around(400),
      syncedBytesPerSecond: around(0.4e9),
    },
    runs: [1, 2].map((threads) => ({
      threads,
      wallMs: around(1200 / threads),
      startMs: around(90),
      classifyMs: around(3),
      compressMs: around(1000 / threads),
      keptBytesPerSecond: around(421e6 * threads),
      sizeBytes: 104_000_000,
      dataBytes: 100_000_000,
      peakRssBytes: (70 + 18 * threads) * 2 ** 20,
    })),
    advice: {
      threads: 2,
      estimates,
      fastest: estimates[2],
      smallest: estimates[1],
      between: estimates[0],
      anchor: { codec: 'zstd', level: 1, threads: 2, measuredMs: 600, modelledMs: 593 },
    },
    ...change,
  };
}

export function samplePeer(change: Partial<PeerReport> = {}): PeerReport {
  const phase = (name: string, ms: number) => ({ name, ms: around(ms) });
  return {
    program: '/usr/bin/makedumpfile',
    version: 'makedumpfile: version 1.7.2 (released on 20 Oct 2022)',
    dryRun: false,
    threads: 2,
    peerThreads: 0,
    peerTrials: [
      { threads: 0, ms: 900 },
      { threads: 1, ms: 950 },
      { threads: 2, ms: 2900 },
    ],
    pairs: [
      { smeltMs: 400, peerMs: 800, ratio: 0.5 },
      { smeltMs: 440, peerMs: 1100, ratio: 0.4 },
      { smeltMs: 600, peerMs: 1000, ratio: 0.6 },
    ],
    smelt: {
      wallMs: spreadOf([400, 440, 600]),
      syncMs: around(0.5),
      sizeBytes: 17_600_000,
      peakRssBytes: 84.5 * 2 ** 20,
      phases: [phase('classify', 2.25), phase('compress', 300)],
    },
    peer: {
      wallMs: spreadOf([800, 1100, 1000]),
      syncMs: around(18),
      sizeBytes: 18_200_000,
      peakRssBytes: 34.5 * 2 ** 20,
      phases: [phase('Excluding unnecessary pages', 4.5), phase('Copying data', 1900)],
    },
    ratio: spreadOf([0.5, 0.4, 0.6]),
    samePages: {
      same: false,
      differ: 67,
      keptByBoth: 22_489,
      onlySmelt: 66,
      onlyPeer: 1,
      behindPeersEnd: 64,
      partlyInInput: 1,
      unexplained: [
        { pfn: 0x12ab, count: 1, keptBy: 'smelt' },
        { pfn: 0x40000, count: 1, keptBy: 'peer' },
      ],
      comparedContents: 22_489,
      differentContents: 0,
    },
    ...change,
  };
}

export function sampleBench(change: Partial<BenchReport> = {}): BenchReport {
  return {
    input: sampleInput({ path: '/var/crash/vmcore' }),
    machine: {
      cpu: 'AMD EPYC 7763 64-Core Processor',
      cpus: 2,
      memoryBytes: 8 * 2 ** 30,
      node: 'v20.19.0',
      kernel: '6.1.0-56-amd64',
    },
    dumpLevel: 31,
    codec: 'zstd',
    compressionLevel: 1,
    rounds: 3,
    workDir: { path: '/tmp/smelt-bench-abc123', inMemory: false },
    synthetic: undefined,
    parts: samplePart(),
    peer: undefined,
    totalMs: 20_000,
    warnings: [],
    ...change,
  };
}
