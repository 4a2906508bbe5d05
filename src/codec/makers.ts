/** Finds somebody who makes a codec here: the system's library first, else the portable maker, else says what to install. */
import { SmeltError } from '../errors.ts';
import type { CodecMaker, CodecName, MakerKind, PageCodec } from './codec.ts';
import { MAKER_KINDS } from './codec.ts';
import { levelProblem } from './levels.ts';
import { lzoNative, lzoPortable } from './lzo.ts';
import { snappyNative, snappyPortable } from './snappy.ts';
import { zlibNative, zlibPortable } from './zlib.ts';
import { zstdNative, zstdPortable } from './zstd.ts';

export const CODEC_MAKERS: Readonly<Record<CodecName, Readonly<Record<MakerKind, CodecMaker>>>> = {
  zstd: { native: zstdNative, portable: zstdPortable },
  zlib: { native: zlibNative, portable: zlibPortable },
  lzo: { native: lzoNative, portable: lzoPortable },
  snappy: { native: snappyNative, portable: snappyPortable },
};

/** What a native maker lacks when it is missing, by distribution. */
const PACKAGES: Readonly<Record<CodecName, { readonly debian: string; readonly fedora: string }>> = {
  zstd: { debian: 'libzstd1', fedora: 'libzstd' },
  zlib: { debian: 'libdeflate0', fedora: 'libdeflate' },
  lzo: { debian: 'liblzo2-2', fedora: 'lzo' },
  snappy: { debian: 'libsnappy1v5', fedora: 'snappy' },
};

export interface CodecRequest {
  /** Default: the codec's own for one page at a time, 1 for zstd and zlib. */
  readonly level?: number | undefined;
  /** Default: native where it can be had, else portable. */
  readonly kind?: MakerKind | undefined;
}

/**
 * One thread's codec.
 * @throws SmeltError USAGE for a level the codec does not have, NO_CODEC where nobody can make it.
 */
export async function openCodec(name: CodecName, request: CodecRequest = {}): Promise<PageCodec> {
  const { level, kind } = request;
  const problem = level === undefined ? undefined : levelProblem(name, level, kind);
  if (problem !== undefined) throw new SmeltError('USAGE', problem);

  const reasons: string[] = [];
  for (const each of kind === undefined ? MAKER_KINDS : [kind]) {
    // A level beyond the portable maker's must not be lowered in silence.
    const tooHigh = level === undefined ? undefined : levelProblem(name, level, each);
    const made =
      tooHigh === undefined ? await CODEC_MAKERS[name][each].create(level) : { unavailable: tooHigh };
    if (!('unavailable' in made)) return made;
    reasons.push(made.unavailable);
  }
  throw new SmeltError('NO_CODEC', `nobody here can make ${name}: ${reasons.join('; ')}`, {
    hint: installHint(name, kind),
  });
}

/**
 * One thread's codec for reading, where levels mean nothing. A reader opens what the header's status and the page
 * descriptors name before it starts.
 * @throws SmeltError NO_CODEC where nobody can make it.
 */
export function openDecompressor(name: CodecName, kind?: MakerKind): Promise<PageCodec> {
  return openCodec(name, { kind });
}

function installHint(name: CodecName, kind: MakerKind | undefined): string {
  const { debian, fedora } = PACKAGES[name];
  const native = `install ${debian} (Debian, Ubuntu) or ${fedora} (Fedora, RHEL), and koffi with "npm install koffi"`;
  if (kind === 'native') return `${sentence(native)}, or leave --codec-maker out.`;
  return kind === 'portable' ? 'Run "npm install" in smelt\'s directory again.' : `${sentence(native)}.`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
