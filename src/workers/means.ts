/** What is asked for and what the machine's memory allows: where it is short, a run does without what it can do without. */

import type { PageCodec } from '../codec/codec.ts';
import { CODEC_MAKERS, openCodec } from '../codec/makers.ts';
import type { DumpRequest } from './report.ts';
import { whyTooLarge } from './resources.ts';

export interface Means {
  readonly request: DumpRequest;
  /** Which maker serves is settled here, so that all threads have the same one. It is closed. */
  readonly codec: PageCodec | undefined;
  /** What is done without, and why. */
  readonly warnings: readonly string[];
}

/** @throws SmeltError USAGE for a level the codec does not have, NO_CODEC where nobody can make it */
export async function withinMeans(asked: DumpRequest): Promise<Means> {
  const warnings: string[] = [];
  let request = asked;
  const tooLargeTable = request.dedup && !request.dryRun ? whyTooLarge('dedup') : undefined;
  if (tooLargeTable !== undefined) {
    warnings.push(`identical pages are stored as often as they come, in spite of --dedup: ${tooLargeTable}`);
    request = { ...request, dedup: false };
  }
  const tooLargeModule = request.codec === 'zstd' ? whyTooLarge('portableZstd') : undefined;
  if (tooLargeModule !== undefined && !(await isNativeZstd(request))) {
    warnings.push(
      `pages are compressed with zlib in the place of zstd, whose portable maker is too large: ${tooLargeModule}`,
    );
    request = { ...request, codec: 'zlib', compressionLevel: undefined };
  }
  const codec =
    request.codec &&
    (await openCodec(request.codec, { kind: request.codecMaker, level: request.compressionLevel }));
  codec?.close();
  return { request, codec, warnings };
}

async function isNativeZstd({ codecMaker }: DumpRequest): Promise<boolean> {
  if (codecMaker !== undefined) return codecMaker === 'native';
  const made = await CODEC_MAKERS.zstd.native.create(undefined);
  if ('unavailable' in made) return false;
  made.close();
  return true;
}
