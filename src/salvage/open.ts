/** A dump that is cut short or damaged, opened as far as it can be believed, with what is wrong with it. */

import { closeSync } from 'node:fs';
import { SmeltError } from '../errors.ts';
import { elf } from '../read/elf.ts';
import { openForReading } from '../read/file.ts';
import { isFlattened } from '../read/flattened.ts';
import { DISKDUMP_SIGNATURE } from '../read/kdump-layout.ts';
import { partOf, type Source } from '../read/source.ts';
import type { Broken } from './broken.ts';
import { openBrokenElf } from './elf.ts';
import { beginsWithRecords, indexBroken } from './flattened.ts';
import { openBrokenKdump } from './kdump.ts';
import { joinBroken } from './parts.ts';

/**
 * In steps. `search`: whether records of a flattened file are looked for behind what is none, all through the file.
 * @throws SmeltError where nothing of it can be believed, and INPUT_OPEN, INPUT_READ, UNSUPPORTED
 */
export function* openingBroken(paths: readonly string[], search = true): Generator<void, Broken> {
  const opened: Broken[] = [];
  let broken: Broken | undefined;
  try {
    for (const each of paths) opened.push(yield* openOne(each, search));
    broken = opened.length === 1 ? opened[0]! : yield* joinBroken(opened);
    return broken;
  } finally {
    // Also where nobody wants it any more.
    if (broken === undefined) for (const { file } of opened) closeSync(file.fd);
  }
}

function* openOne(path: string, search: boolean): Generator<void, Broken> {
  const { fd, fileBytes } = openForReading(path);
  let broken: Broken | undefined;
  try {
    const plain: Source = { path, fd, fileBytes, flat: undefined };
    const head = headOf(plain);
    if (head.length === 0) {
      throw new SmeltError('TRUNCATED', `${path}: is empty`, { hint: 'Nothing of the dump is there.' });
    }
    if (!isFlattened(head) && !beginsWithRecords(plain)) broken = yield* openFormat(plain, head, []);
    else {
      const { flat, damage } = yield* indexBroken(plain, search);
      const source: Source = { path, fd, fileBytes: flat.place.at(-1)!, flat };
      broken = yield* openFormat(source, headOf(source), damage);
    }
    return broken;
  } finally {
    if (broken === undefined) closeSync(fd);
  }
}

function* openFormat(source: Source, head: Buffer, damage: readonly string[]): Generator<void, Broken> {
  if (head.toString('latin1', 0, 8) === DISKDUMP_SIGNATURE) {
    throw new SmeltError(
      'UNSUPPORTED',
      `${source.path}: was written by the diskdump facility of old kernels, which is not supported`,
    );
  }
  const broken = elf.probe(head) ? openBrokenElf(source) : yield* openBrokenKdump(source);
  return { ...broken, damage: [...damage, ...broken.damage] };
}

function headOf(source: Source): Buffer {
  return partOf(source, 'its beginning', 0, Math.min(4096, source.fileBytes));
}
