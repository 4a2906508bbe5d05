/** Whether native code can be used here; tests of what only it can do are skipped visibly where it cannot. */

import type { CodecName, MakerKind } from '../src/codec/codec.ts';
import { CODEC_MAKERS } from '../src/codec/makers.ts';
import { loadKoffi } from '../src/native/koffi.ts';

const koffi = loadKoffi();

/** Why there is no native code; undefined where there is. */
export const noNative: string | undefined = 'unavailable' in koffi ? koffi.unavailable : undefined;

/** For the name of a test that is skipped with `noNative`. */
export const needsNative = noNative === undefined ? '' : ` (skipped: ${noNative})`;

/** The makers that can be had here, as rows of a table of tests. */
export async function makersHere(names: readonly CodecName[]): Promise<[CodecName, MakerKind][]> {
  const rows: [CodecName, MakerKind][] = [];
  for (const name of names) {
    for (const kind of ['native', 'portable'] as const) {
      const made = await CODEC_MAKERS[name][kind].create(undefined);
      if ('unavailable' in made) {
        if (kind === 'portable') throw new Error(made.unavailable);
        continue;
      }
      made.close();
      rows.push([name, kind]);
    }
  }
  return rows;
}
