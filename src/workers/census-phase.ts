/** The phase of the census: page tables are walked, piece by piece. Source of what is said of them: src/sme/census/census.ts. */

import { type CensusPart, type CensusPlan, CensusWalker } from '../sme/census/plan.ts';
import { addDone, takeTurns } from './job.ts';
import type { Thread } from './thread.ts';

/** Does pieces until there are none left. Yields after each. */
export function* walkTables(thread: Thread, plan: CensusPlan, seat?: number): Generator<void, CensusPart> {
  const { file, shared } = thread.job;
  const walker = new CensusWalker(thread.reader, file, plan);
  for (const index of takeTurns(shared, 'census', plan.tables.length, seat)) {
    addDone(shared, 'census', walker.walk(index));
    yield;
  }
  return walker.part();
}
