/** Every maker that can be had here, opened, and for the others why not: their tests are skipped with that reason in the name. */
import { describe } from 'vitest';
import {
  CODEC_NAMES,
  type CodecName,
  MAKER_KINDS,
  type MakerKind,
  type PageCodec,
} from '../../src/codec/codec.ts';
import { CODEC_MAKERS } from '../../src/codec/makers.ts';

/** A portable maker that is missing is a failure, not a skip: its package is a dependency. */
export async function openAll(level?: number): Promise<Map<string, PageCodec | string>> {
  const opened = new Map<string, PageCodec | string>();
  for (const name of CODEC_NAMES) {
    for (const kind of MAKER_KINDS) {
      const made = await CODEC_MAKERS[name][kind].create(level);
      if (!('unavailable' in made)) opened.set(`${name} ${kind}`, made);
      else if (kind === 'native') opened.set(`${name} ${kind}`, made.unavailable);
      else throw new Error(made.unavailable);
    }
  }
  return opened;
}

const opened = await openAll();

/** The opened codec; only for tests that run because it is there. */
export function codec(name: CodecName, kind: MakerKind): PageCodec {
  const made = opened.get(`${name} ${kind}`);
  if (made === undefined || typeof made === 'string') throw new Error(`${name} ${kind}: ${made}`);
  return made;
}

/** A `describe` for each codec and maker. */
export function describeMakers(what: string, body: (codec: PageCodec) => void): void {
  for (const [title, made] of opened) {
    if (typeof made === 'string') describe.skip(`${title} ${what} (skipped: ${made})`, () => {});
    else describe(`${title} (${made.maker}) ${what}`, () => body(made));
  }
}

/** A `describe` for each codec that both makers can make. */
export function describePairs(what: string, body: (native: PageCodec, portable: PageCodec) => void): void {
  for (const name of CODEC_NAMES) {
    const native = opened.get(`${name} native`);
    if (typeof native === 'string') describe.skip(`${name} ${what} (skipped: ${native})`, () => {});
    else describe(`${name} ${what}`, () => body(codec(name, 'native'), codec(name, 'portable')));
  }
}

/** A page's compressed bytes, or undefined when it does not get smaller. */
export function compressed(by: PageCodec, page: Uint8Array): Uint8Array | undefined {
  const out = new Uint8Array(by.outSize(page.length));
  const written = by.compress(page, out);
  return written === 0 ? undefined : out.slice(0, written);
}
