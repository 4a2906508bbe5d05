/** Each codec, level and maker on the dump's own pages: how fast it packs and unpacks them, and how small they get. */

import { CODEC_NAMES, type CodecName, MAKER_KINDS, type PageCodec } from '../codec/codec.ts';
import { levelProblem, usedLevel } from '../codec/levels.ts';
import { CODEC_MAKERS } from '../codec/makers.ts';
import type { CodecReport, MissingMaker, Setting } from './report.ts';
import { type Pace, takeTurns } from './rounds.ts';
import type { Sample } from './sample.ts';
import { rateOf } from './spread.ts';

const LEVELS: Readonly<Partial<Record<CodecName, readonly number[]>>> = {
  zstd: [1, 2, 3, 6],
  zlib: [1, 3, 6, 9],
};

/** A round of one codec takes about so long: a slow one gets fewer pages, a quick one all of them several times. */
const ROUND_MS = 60;
const FEWEST_PAGES = 64;
const MOST_PASSES = 50;

type Packer = Pick<PageCodec, 'maker' | 'compress' | 'decompress' | 'outSize' | 'close'>;

interface Variant extends Setting {
  readonly packer: Packer;
  pages: number;
  passes: number;
}

interface Measured {
  readonly compressMs: number;
  readonly decompressMs: number;
  readonly storedBytes: number;
  readonly rawPages: number;
}

/** `extra`: a level of one codec that is measured in any case. */
export async function measureCodecs(
  pace: Pace,
  sample: Sample,
  extra: { readonly codec: CodecName; readonly level: number | undefined },
): Promise<{ codecs: CodecReport[]; missing: MissingMaker[] }> {
  const { variants, missing } = await openVariants(sample, extra);
  try {
    const bench = new Workbench(sample);
    const results = await takeTurns(pace, 'codecs', variants, settingText, (variant, round) => {
      const measured = bench.measure(variant);
      // The warm-up packs the whole sample, which the ratio is of, and says how much of it a round may take.
      if (round === 0) fitRound(variant, measured);
      return { ...measured, bytes: variant.pages * variant.passes * sample.pageSize };
    });
    const codecs = results.map(({ variant, warmUp, rounds }): CodecReport => {
      const { codec, level, kind, packer, pages } = variant;
      const rate = (key: 'compressMs' | 'decompressMs') =>
        rateOf(
          rounds[0]!.bytes,
          rounds.map((round) => round[key]),
        );
      return {
        codec,
        level,
        kind,
        maker: packer.maker,
        timedPages: pages,
        compressBytesPerSecond: rate('compressMs'),
        decompressBytesPerSecond: rate('decompressMs'),
        ratio: (sample.pages * sample.pageSize) / warmUp.storedBytes,
        rawPages: warmUp.rawPages,
      };
    });
    return { codecs, missing };
  } finally {
    for (const { packer } of variants) packer.close();
  }
}

/** "zstd 3, native", "lzo, portable", "raw". */
export function settingText({ codec, level, kind }: Setting): string {
  return `${codec}${level === undefined ? '' : ` ${level}`}${kind === undefined ? '' : `, ${kind}`}`;
}

async function openVariants(
  sample: Sample,
  extra: { readonly codec: CodecName; readonly level: number | undefined },
): Promise<{ variants: Variant[]; missing: MissingMaker[] }> {
  const variants: Variant[] = [];
  const missing: MissingMaker[] = [];
  const { pages } = sample;
  const begin = { pages, passes: 1 };
  for (const codec of CODEC_NAMES) {
    const usual: readonly (number | undefined)[] = LEVELS[codec] ?? [undefined];
    const wanted = codec === extra.codec ? usedLevel(codec, extra.level) : usual[0];
    const levels = usual.includes(wanted) ? usual : [...usual, wanted];
    for (const kind of MAKER_KINDS) {
      for (const level of levels) {
        if (level !== undefined && levelProblem(codec, level, kind) !== undefined) continue;
        const made = await CODEC_MAKERS[codec][kind].create(level);
        if ('unavailable' in made) {
          missing.push({ codec, kind, reason: made.unavailable });
          break;
        }
        variants.push({ codec, level, kind, packer: made, ...begin });
      }
    }
  }
  variants.push({ codec: 'raw', level: undefined, kind: undefined, packer: COPY, ...begin });
  return { variants, missing };
}

/** Stores pages as they are: what every codec does with those that do not get smaller. */
const COPY: Packer = {
  maker: '',
  compress: () => 0,
  decompress: () => -1,
  outSize: () => 0,
  close: () => {},
};

function fitRound(variant: Variant, { compressMs, decompressMs }: Measured): void {
  const slower = Math.max(compressMs, decompressMs);
  if (slower > ROUND_MS) {
    const fewer = Math.ceil((variant.pages * ROUND_MS) / slower);
    variant.pages = Math.min(variant.pages, Math.max(FEWEST_PAGES, fewer));
  } else {
    variant.passes = Math.min(MOST_PASSES, Math.ceil(ROUND_MS / Math.max(compressMs, 0.1)));
  }
}

/** The buffers that all codecs use in turn. */
class Workbench {
  private readonly sample: Sample;
  private readonly packed: Buffer;
  private readonly sizes: Int32Array;
  private readonly page: Buffer;

  constructor(sample: Sample) {
    this.sample = sample;
    // Room behind the last page for what a codec may need before it turns out to be no smaller.
    this.packed = Buffer.alloc((sample.pages + 2) * sample.pageSize * 2);
    this.sizes = new Int32Array(sample.pages);
    this.page = Buffer.alloc(sample.pageSize);
  }

  measure(variant: Variant): Measured {
    let compressMs = 0;
    let decompressMs = 0;
    let packedBytes = { storedBytes: 0, rawPages: 0 };
    for (let pass = 0; pass < variant.passes; pass++) {
      const began = performance.now();
      packedBytes = this.pack(variant);
      const packed = performance.now();
      this.unpack(variant);
      compressMs += packed - began;
      decompressMs += performance.now() - packed;
    }
    return {
      compressMs: Math.max(compressMs, 1e-6),
      decompressMs: Math.max(decompressMs, 1e-6),
      ...packedBytes,
    };
  }

  /** As the compress phase packs: one behind the other, raw where that is no larger. */
  private pack({ packer, pages }: Variant): { storedBytes: number; rawPages: number } {
    const { bytes, pageSize } = this.sample;
    let used = 0;
    let rawPages = 0;
    for (let i = 0; i < pages; i++) {
      let size = packer.compress(bytes, this.packed, i * pageSize, pageSize, used);
      if (size === 0) {
        bytes.copy(this.packed, used, i * pageSize, (i + 1) * pageSize);
        size = pageSize;
        rawPages++;
      }
      this.sizes[i] = size;
      used += size;
    }
    return { storedBytes: used, rawPages };
  }

  private unpack({ packer, pages }: Variant): void {
    const { pageSize } = this.sample;
    for (let i = 0, at = 0; i < pages; i++) {
      const size = this.sizes[i]!;
      if (size === pageSize) this.packed.copy(this.page, 0, at, at + size);
      else packer.decompress(this.packed.subarray(at, at + size), this.page);
      at += size;
    }
  }
}
