/** A search through all memory, for VMCOREINFO in a dump without the note: as long as the dump is large, so it shows itself and can be stopped. */

import { setImmediate as breathe } from 'node:timers/promises';
import { architectureOf } from '../kernel/machine.ts';
import { pfnRuns } from '../read/extents.ts';
import { isNoise } from '../sme/verdict/verdict.ts';
import type { Search } from './describe.ts';
import type { Progress } from './report.ts';

/** How often the search looks up from its work. */
const LOOK_MS = 100;

/** A search that tells how far it is, and ends with what `stopIfAborted` throws. */
export function searchWith(onProgress: (progress: Progress) => void, stopIfAborted: () => void): Search {
  return async function* (file, reader, steps) {
    const look = async () => {
      await breathe();
      stopIfAborted();
    };
    if (await isNoise(file, reader, architectureOf(file), look)) return;
    let totalPages = 0;
    for (const { count } of pfnRuns(file.memory, file.pageSize)) totalPages += count;
    const began = performance.now();
    let looked = began;
    let donePages = 0;
    for (const { found, pages } of steps) {
      donePages += pages;
      if (found !== undefined) yield found;
      const now = performance.now();
      if (now - looked < LOOK_MS) continue;
      looked = now;
      onProgress({ phase: 'search', donePages, totalPages, elapsedMs: now - began });
      await look();
    }
  };
}
