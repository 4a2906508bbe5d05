/** Flattened files (makedumpfile -F, QEMU's dump-guest-memory -z): read once from end to end to know where everything is. */

import { readSync } from 'node:fs';
import { SmeltError, systemReason } from '../errors.ts';
import { comma, preadFully } from './file.ts';
import { FlatEntries, type FlatIndex, ordering } from './flat-index.ts';
import {
  FLAT_END,
  FLAT_HEADER_BYTES,
  FLAT_SIGNATURE,
  FLAT_TYPE,
  FLAT_VERSION,
  FlatHeader,
  FlatRecordHeader,
  recordAt,
} from './flat-layout.ts';
import { FLAT_LIMITS, MAX_FLAT_BYTES } from './limits.ts';

const CUT_SHORT =
  'Copy it again from where it was made, or save what is whole of it: `smelt salvage FLATTENED DUMPFILE`.';

/** A millisecond's work. */
const RECORDS_A_STEP = 1024;

export function isFlattened(head: Uint8Array): boolean {
  return (
    head.length >= FLAT_SIGNATURE.length && Buffer.from(head).toString('latin1').startsWith(FLAT_SIGNATURE)
  );
}

/** In steps: there may be millions of records. @throws SmeltError for a file that is cut short, and for records that cannot be */
export function* indexFlattened(
  path: string,
  fd: number,
  flatBytes: number,
  limits: { readonly records: number; readonly entries: number } = FLAT_LIMITS,
): Generator<void, FlatIndex> {
  const header = new Uint8Array(FLAT_HEADER_BYTES);
  checkFlatHeader(path, header.subarray(0, readAt(path, fd, header, 0)));
  const entries = new FlatEntries();
  const raw = new Uint8Array(FlatRecordHeader.size);
  const view = new DataView(raw.buffer);
  let at = FLAT_HEADER_BYTES;
  for (let records = 0; ; records++) {
    if (records % RECORDS_A_STEP === 0) yield;
    if (readAt(path, fd, raw, at) < raw.length) throw noEndMark(path, flatBytes, at);
    const record = recordAt(view);
    checkFlatRecord(path, record, at);
    if (record.offset === FLAT_END) break;
    const begins = at + raw.length;
    at = begins + record.size;
    if (at > flatBytes) throw cutRecord(path, begins - raw.length, at, flatBytes);
    entries.addRecord(record.offset, record.size, begins);
    if (records >= limits.records || entries.count > limits.entries) throw tooMany(path, records);
  }
  return { ...(yield* ordering(entries)), bytesBehind: flatBytes - at - raw.length };
}

/** `header`: what there is of the first FLAT_HEADER_BYTES bytes. @throws SmeltError */
export function checkFlatHeader(path: string, header: Uint8Array): void {
  if (!isFlattened(header)) {
    const what =
      header.length === 0 ? 'there is nothing in it' : `it does not begin with "${FLAT_SIGNATURE}"`;
    throw new SmeltError('NOT_A_DUMP', `${path}: is no flattened dump: ${what}`, {
      hint: 'Flattened dumps are what `makedumpfile -F` and QEMU write; other files need no rearranging.',
    });
  }
  if (header.length < FLAT_HEADER_BYTES) throw noEndMark(path, header.length, 0);
  const { type, version } = FlatHeader.read(header, 0, false);
  if (type !== FLAT_TYPE || version !== FLAT_VERSION) {
    throw new SmeltError(
      'CORRUPT',
      `${path}: type and version of the flattened format: expected ${FLAT_TYPE} and ${FLAT_VERSION}, saw ${type} and ${version}`,
    );
  }
}

/** Whether a record, or the end mark, can be. `at`: where its header is. @throws SmeltError CORRUPT */
export function checkFlatRecord(
  path: string,
  { offset, size }: { offset: number; size: number },
  at: number,
): void {
  if (offset === FLAT_END && size === FLAT_END) return;
  if (offset >= 0 && size >= 0 && offset + size <= MAX_FLAT_BYTES) return;
  throw new SmeltError(
    'CORRUPT',
    `${path}: the record at byte ${comma(at)} has ${comma(size)} bytes for byte ${comma(offset)} of the dump, which cannot be; up to there it is whole`,
    { hint: CUT_SHORT },
  );
}

/** `whole`: where the last whole record ends. */
export function noEndMark(path: string, flatBytes: number, whole: number): SmeltError {
  return new SmeltError(
    'TRUNCATED',
    `${path}: is a flattened dump without its end mark: it ends at byte ${comma(flatBytes)}, and its records are whole up to byte ${comma(whole)}`,
    { hint: CUT_SHORT },
  );
}

/** A record whose bytes are not all there. */
export function cutRecord(path: string, at: number, end: number, flatBytes: number): SmeltError {
  return new SmeltError(
    'TRUNCATED',
    `${path}: the record at byte ${comma(at)} ends at byte ${comma(end)} but there are ${comma(flatBytes)} bytes; up to that record it is whole`,
    { hint: CUT_SHORT },
  );
}

function tooMany(path: string, records: number): SmeltError {
  return new SmeltError(
    'UNSUPPORTED',
    `${path}: is flattened in more than ${comma(records)} records, too many to be read in place`,
    { hint: 'Put it in order first: `smelt -R DUMPFILE < FLATTENED`.' },
  );
}

function readAt(path: string, fd: number, into: Uint8Array, byteOffset: number): number {
  try {
    return preadFully(readSync, fd, into, 0, into.length, byteOffset);
  } catch (cause) {
    throw new SmeltError(
      'INPUT_READ',
      `${path}: a record at byte ${comma(byteOffset)} cannot be read: ${systemReason(cause)}`,
      { cause },
    );
  }
}
