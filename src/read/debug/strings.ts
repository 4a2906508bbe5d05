/** Tables of strings (.strtab, .debug_str): where in them the wanted names are, so that names are compared as numbers. */

import { SmeltError } from '../../errors.ts';
import { comma } from '../file.ts';
import type { SectionBytes } from './elf-sections.ts';
import { Turns } from './turns.ts';

const PIECE_BYTES = 4 * 2 ** 20;
/** Every string of a kernel that ends as a name does is less. */
const MAX_PLACES = 2 ** 20;
/** Strings and comparisons between two looks at the clock. */
const STEPS_A_TURN = 2 ** 14;

/**
 * The offsets at which each name can stand: also those in the middle of a longer string that ends so, which linkers make
 * use of. One pass; nothing more of the table is held than a piece. `path` is the file that errors name.
 * @throws SmeltError
 */
export async function findStrings(
  path: string,
  table: SectionBytes,
  names: ReadonlySet<string>,
  look: () => Promise<void>,
): Promise<Map<number, string>> {
  const turns = new Turns(look);
  let steps = 0;
  const found = new Map<number, string>();
  const ends = endings(names);
  const overlap = Math.max(0, ...[...names].map((name) => name.length + 1));
  for (let at = 0; at < table.sizeBytes; at += PIECE_BYTES) {
    // What lies across the edge of two pieces is found with the earlier one.
    const bytes = table.read(at, PIECE_BYTES + overlap);
    for (let nul = bytes.indexOf(0); nul >= 0; nul = bytes.indexOf(0, nul + 1)) {
      const candidates = nul >= 2 ? ends[(bytes[nul - 2]! << 8) | bytes[nul - 1]!] : undefined;
      steps += 1 + (candidates?.length ?? 0);
      if (steps >= STEPS_A_TURN) {
        steps = 0;
        await turns.take();
      }
      if (candidates === undefined) continue;
      for (const { name, bytes: text } of candidates) {
        const start = nul - text.length;
        if (start >= 0 && bytes.compare(text, 0, text.length, start, nul) === 0) found.set(at + start, name);
      }
      if (found.size > MAX_PLACES)
        throw new SmeltError(
          'CORRUPT',
          `${path}: has the names that are looked for in more than ${comma(MAX_PLACES)} places`,
          { hint: 'The file is damaged: get it again from where it came.' },
        );
    }
    await turns.take();
  }
  return found;
}

interface Wanted {
  readonly name: string;
  readonly bytes: Buffer;
}

/** Names by their last two bytes; one of a single byte stands there for each byte that may come before it. */
function endings(names: ReadonlySet<string>): (Wanted[] | undefined)[] {
  const table: (Wanted[] | undefined)[] = new Array(2 ** 16);
  for (const name of names) {
    const bytes = Buffer.from(name, 'latin1');
    const last = bytes.at(-1);
    if (last === undefined) continue;
    const before = bytes.length > 1 ? [bytes.at(-2)!] : Array.from({ length: 256 }, (_, byte) => byte);
    for (const byte of before) {
      const key = (byte << 8) | last;
      table[key] ??= [];
      table[key].push({ name, bytes });
    }
  }
  return table;
}
