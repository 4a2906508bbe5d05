/** A flattened file that is cut short, or has junk between its records: those that are whole are found and put in their places. */

import { readSync } from 'node:fs';
import { comma, preadFully } from '../read/file.ts';
import { FlatEntries, type FlatIndex, orderEntries } from '../read/flat-index.ts';
import { FLAT_END, FLAT_HEADER_BYTES, FlatRecordHeader, recordAt } from '../read/flat-layout.ts';
import { FLAT_LIMITS, MAX_FLAT_BYTES } from '../read/limits.ts';
import type { Source } from '../read/source.ts';

const HEADER = FlatRecordHeader.size;
/** makedumpfile's largest records are its buffers of a few MiB; smelt's have 1 MiB. */
const MAX_RECORD_BYTES = 2 ** 30;
/** Record headers in a row that make one believe in the first. */
const CHAIN = 3;
/** Looked through at once for the next record. */
const SEARCH_BYTES = 1024 * 1024;

/** Whether records follow where they do in a flattened file, whatever is before them. */
export function beginsWithRecords(source: Source): boolean {
  const file = new RecordFile(source);
  return file.isPlausible(FLAT_HEADER_BYTES) && file.chainFrom(FLAT_HEADER_BYTES) >= CHAIN;
}

export function indexBroken(source: Source): { flat: FlatIndex; damage: string[] } {
  const file = new RecordFile(source);
  const { fileBytes } = source;
  const entries = new FlatEntries();
  const damage: string[] = [];
  let junk = 0;
  let junkAt = -1;
  let at = FLAT_HEADER_BYTES;
  let records = 0;
  for (;;) {
    if (records >= FLAT_LIMITS.records || entries.count > FLAT_LIMITS.entries) {
      damage.push(
        `it has more than ${comma(records)} records: what lies behind byte ${comma(at)} is not looked at`,
      );
      break;
    }
    const { offset, size } = file.recordAt(at);
    if (offset === FLAT_END && size === FLAT_END) break;
    const begins = at + HEADER;
    const end = begins + size;
    const isRecord = file.isPlausible(at);
    if (isRecord && file.isFollowed(end)) {
      entries.addRecord(offset, size, begins);
      records++;
      at = end;
      continue;
    }
    if (at >= fileBytes) {
      damage.push(`the stream has no end mark: it ends at byte ${comma(fileBytes)}`);
      break;
    }
    const next = file.nextRecord(at + 1);
    if (isRecord && next >= end) {
      // What follows is junk, and the record itself is whole; or the stream is cut behind it.
      entries.addRecord(offset, size, begins);
      records++;
      if (next > end) {
        junk += next - end;
        if (junkAt < 0) junkAt = end;
      }
    } else if (isRecord && next >= fileBytes && end > fileBytes) {
      // What is there of a record that was cut.
      entries.addRecord(offset, fileBytes - begins, begins);
      damage.push(`the stream is cut in a record: it ends at byte ${comma(fileBytes)}`);
      break;
    } else {
      junk += next - at;
      if (junkAt < 0) junkAt = at;
    }
    at = next;
  }
  if (junk > 0)
    damage.push(
      `${comma(junk)} bytes of the stream are no whole records, the first at byte ${comma(junkAt)}`,
    );
  return { flat: orderEntries(entries), damage };
}

/** Record headers at any place of a file. */
class RecordFile {
  private readonly fd: number;
  private readonly fileBytes: number;
  private readonly raw = new Uint8Array(HEADER);
  private readonly view = new DataView(this.raw.buffer);
  private readonly chunk = Buffer.alloc(SEARCH_BYTES + HEADER - 1);
  /** Whose header was read last: it is asked for more than once. */
  private lastAt = -1;
  private last = { offset: 0, size: 0 };

  constructor({ fd, fileBytes }: Source) {
    this.fd = fd;
    this.fileBytes = fileBytes;
  }

  /** Zeros where the file has no such bytes. */
  recordAt(at: number): { offset: number; size: number } {
    if (at === this.lastAt) return this.last;
    this.raw.fill(0);
    if (at + HEADER <= this.fileBytes) this.read(this.raw, HEADER, at);
    this.lastAt = at;
    this.last = recordAt(this.view);
    return this.last;
  }

  /** Whether it may be the header of a record with some bytes. */
  isPlausible(at: number): boolean {
    const { offset, size } = this.recordAt(at);
    return offset >= 0 && size > 0 && size <= MAX_RECORD_BYTES && offset + size <= MAX_FLAT_BYTES;
  }

  /** Whether a record, the end mark or the end of the file is there. */
  isFollowed(at: number): boolean {
    if (at === this.fileBytes || this.isPlausible(at)) return true;
    const { offset, size } = this.recordAt(at);
    return offset === FLAT_END && size === FLAT_END;
  }

  /** Records in a row from there, CHAIN at most: an end mark, or the end of the file, is as good as more of them. */
  chainFrom(at: number): number {
    for (let n = 0, next = at; n < CHAIN; n++) {
      if (!this.isPlausible(next)) {
        const { offset, size } = this.recordAt(next);
        const ends = next === this.fileBytes || (offset === FLAT_END && size === FLAT_END);
        return n > 0 && ends ? CHAIN : n;
      }
      next += HEADER + this.recordAt(next).size;
    }
    return CHAIN;
  }

  /** Where the next record begins that others follow, from `from` on; the end of the file where there is none. */
  nextRecord(from: number): number {
    const { chunk, fileBytes } = this;
    for (let base = from; base + HEADER <= fileBytes; base += SEARCH_BYTES) {
      const length = this.read(chunk, Math.min(chunk.length, fileBytes - base), base);
      for (let i = 0; i + HEADER <= length; i++) {
        // Both numbers are far below 2^56, and a size below 2^32.
        if (chunk[i + 8] !== 0 || chunk[i + 9] !== 0 || chunk[i + 10] !== 0 || chunk[i + 11] !== 0) continue;
        if (chunk[i] !== 0) continue;
        if (this.isMarkOrRecord(base + i)) return base + i;
      }
      if (length < HEADER) break;
    }
    return fileBytes;
  }

  private isMarkOrRecord(at: number): boolean {
    return this.isPlausible(at) && this.chainFrom(at) >= CHAIN;
  }

  private read(into: Uint8Array, length: number, byteOffset: number): number {
    try {
      return preadFully(readSync, this.fd, into, 0, length, byteOffset);
    } catch {
      // A bad sector: what is behind it may be found all the same.
      into.fill(0, 0, length);
      return length;
    }
  }
}
