/** A flattened file that is cut short, or has junk between its records: those that are whole are found and put in their places. */

import { readSync } from 'node:fs';
import { comma, preadFully } from '../read/file.ts';
import { FlatEntries, type FlatIndex, ordering } from '../read/flat-index.ts';
import { FLAT_END, FLAT_HEADER_BYTES, FlatRecordHeader, recordAt } from '../read/flat-layout.ts';
import { FLAT_LIMITS, MAX_FLAT_BYTES } from '../read/limits.ts';
import { nextData, type Source } from '../read/source.ts';

const HEADER = FlatRecordHeader.size;
/** makedumpfile's largest records are its buffers of a few MiB; smelt's have 1 MiB. */
const MAX_RECORD_BYTES = 2 ** 30;
/** Records in a row, each for a place of its own, that make one believe in the first; so many where the stream ends, or is cut, behind them. */
const CHAIN = 8;
const SHORT_CHAIN = 3;
/** Looked through at once for the next record. */
const SEARCH_BYTES = 1024 * 1024;
/** What may begin a record and does not is looked at that often before others have their turn. */
const LOOKS_A_STEP = 256;
/** Looks into the bytes of plausible records, for all of the stream together: so many, and those of a few walks through it. */
const LEAST_LOOKS = 2 ** 16;
const MOST_WALKS = 4;
/** What it takes to read a chunk and go through it, in looks. */
const LOOKS_A_FILL = 16;

const streamEnds = (fileBytes: number) => `the stream ends at byte ${comma(fileBytes)}`;
const UNENDED = 'without its end mark: it was cut, or never finished';

/** Whether records follow where they do in a flattened file, whatever is before them. */
export function beginsWithRecords(source: Source): boolean {
  return new RecordFile(source).isChain(FLAT_HEADER_BYTES);
}

export function* indexBroken(
  source: Source,
  search = true,
): Generator<void, { flat: FlatIndex; damage: string[] }> {
  const file = new RecordFile(source, search);
  const { fileBytes } = source;
  const entries = new FlatEntries();
  const damage: string[] = [];
  let junk = 0;
  let junkAt = -1;
  const skip = (from: number, end: number) => {
    junk += end - from;
    if (end > from && junkAt < 0) junkAt = from;
  };
  let at = FLAT_HEADER_BYTES;
  let records = 0;
  let bytesBehind: number | undefined;
  for (;;) {
    if (records % LOOKS_A_STEP === 0) yield;
    if (records >= FLAT_LIMITS.records || entries.count > FLAT_LIMITS.entries) {
      damage.push(
        `it has more than ${comma(records)} records: what lies behind byte ${comma(at)} is not looked at`,
      );
      break;
    }
    if (file.isEndMark(at)) {
      bytesBehind = fileBytes - at - HEADER;
      break;
    }
    if (at >= fileBytes) {
      damage.push(`${streamEnds(fileBytes)}, ${UNENDED}`);
      break;
    }
    if (!file.isPlausible(at)) {
      const next = yield* file.nextRecord(at + 1);
      skip(at, next);
      at = next;
      continue;
    }
    const { offset, size } = file.recordAt(at);
    const begins = at + HEADER;
    const end = begins + size;
    const next = file.isFollowed(end) ? end : yield* file.nextRecord(Math.min(end, fileBytes));
    // The bytes of a record may be anything, records too; those that go on behind it are the stream's own.
    const inside = next === end ? -1 : yield* file.throughRecord(at + 1, end, next);
    if (inside >= 0) {
      skip(at, inside);
      at = inside;
      continue;
    }
    records++;
    entries.addRecord(offset, Math.min(size, fileBytes - begins), begins);
    if (end > fileBytes) {
      damage.push(`${streamEnds(fileBytes)}, in a record and ${UNENDED}`);
      break;
    }
    skip(end, next);
    at = next;
  }
  if (junk > 0)
    damage.push(
      `${comma(junk)} bytes of the stream are no whole records, the first at byte ${comma(junkAt)}`,
    );
  const flat = yield* ordering(entries);
  return { flat: bytesBehind === undefined ? flat : { ...flat, bytesBehind }, damage };
}

/** Record headers at any place of a file. */
class RecordFile {
  private readonly source: Source;
  private readonly fileBytes: number;
  /** Without it there is nothing behind what is no record. */
  private readonly search: boolean;
  private readonly raw = new Uint8Array(HEADER);
  private readonly view = new DataView(this.raw.buffer);
  /** What is searched, and where that is in the file. */
  private readonly chunk = Buffer.from(new ArrayBuffer(SEARCH_BYTES + HEADER));
  private readonly chunkView = new DataView(this.chunk.buffer);
  private readonly chunkWords = new Uint32Array(this.chunk.buffer);
  private chunkAt = 0;
  private chunkLength = 0;
  /** Whose header was read last: it is asked for more than once. */
  private lastAt = -1;
  private last = { offset: 0, size: 0 };
  private looks = 0;
  private readonly mostLooks: number;

  constructor(source: Source, search = true) {
    this.source = source;
    this.search = search;
    this.fileBytes = source.fileBytes;
    this.mostLooks = LEAST_LOOKS + MOST_WALKS * LOOKS_A_FILL * Math.ceil(source.fileBytes / SEARCH_BYTES);
  }

  /** Zeros where the file has no such bytes. */
  recordAt(at: number): { offset: number; size: number } {
    if (at === this.lastAt) return this.last;
    this.lastAt = at;
    const inChunk = at - this.chunkAt;
    if (inChunk >= 0 && inChunk + HEADER <= this.chunkLength) {
      this.last = recordAt(this.chunkView, inChunk);
    } else {
      this.raw.fill(0);
      if (at + HEADER <= this.fileBytes) this.read(this.raw, HEADER, at);
      this.last = recordAt(this.view);
    }
    return this.last;
  }

  /** Whether it may be the header of a record with some bytes. */
  isPlausible(at: number): boolean {
    const { offset, size } = this.recordAt(at);
    return offset >= 0 && size > 0 && size <= MAX_RECORD_BYTES && offset + size <= MAX_FLAT_BYTES;
  }

  isEndMark(at: number): boolean {
    const { offset, size } = this.recordAt(at);
    return offset === FLAT_END && size === FLAT_END;
  }

  /** Whether a record, the end mark or the end of the file is there. */
  isFollowed(at: number): boolean {
    return at === this.fileBytes || this.isPlausible(at) || this.isEndMark(at);
  }

  /** Whether enough records follow each other from there. */
  isChain(at: number): boolean {
    const { fileBytes } = this;
    let place = 0;
    let end = 0;
    for (let n = 0, next = at; n < CHAIN; n++) {
      if (next + HEADER > fileBytes) return n >= SHORT_CHAIN || (n > 0 && next === fileBytes);
      if (this.isEndMark(next)) return n >= SHORT_CHAIN || (n > 0 && next + HEADER === fileBytes);
      if (!this.isPlausible(next)) return false;
      const { offset, size } = this.recordAt(next);
      // In memory the same few bytes stand again and again; no writer has records for one place one behind the other.
      if (offset < end && place < offset + size) return false;
      place = offset;
      end = offset + size;
      next += HEADER + size;
    }
    return true;
  }

  /** Where the next record begins that others follow, from `from` on; `until` where there is none before that. */
  *nextRecord(from: number, until = this.fileBytes): Generator<void, number> {
    if (!this.search) return until;
    for (let base = from; base + HEADER <= until; ) {
      const begins = this.chunkAt;
      // What is searched again and again, a few bytes on, is read once.
      if (this.chunkLength === 0 || base < begins || base >= begins + SEARCH_BYTES) {
        yield;
        this.fill(base);
        if (this.behindZeros(0) >= this.chunkLength) {
          // What goes on for a while may well be a hole.
          base = Math.max(base + SEARCH_BYTES, nextData(this.source, base + SEARCH_BYTES) - HEADER);
          continue;
        }
      }
      const { chunkAt } = this;
      for (let i = this.candidate(base - chunkAt); i < SEARCH_BYTES; i = this.candidate(i + 1)) {
        if (chunkAt + i >= until) break;
        if (this.isChain(chunkAt + i)) return chunkAt + i;
        if (++this.looks % LOOKS_A_STEP === 0) yield;
      }
      base = chunkAt + SEARCH_BYTES;
    }
    return until;
  }

  /** Where records begin inside of what may be one itself, from `from` to `end`, of which the last one ends at `next`; -1: nowhere. */
  *throughRecord(from: number, end: number, next: number): Generator<void, number> {
    const until = Math.min(end, this.fileBytes);
    for (let first = from; this.looks < this.mostLooks; first++) {
      first = yield* this.nextRecord(first, until);
      if (first >= until) return -1;
      let at = first;
      while (at < until && this.isPlausible(at)) {
        at += HEADER + this.recordAt(at).size;
        if (++this.looks % LOOKS_A_STEP === 0) yield;
      }
      if (at === next || (next === this.fileBytes && (at > next || this.isEndMark(at)))) return first;
    }
    return -1;
  }

  private fill(at: number): void {
    this.looks += LOOKS_A_FILL;
    this.chunkAt = at;
    this.chunkLength = this.read(this.chunk, Math.min(this.chunk.length, this.fileBytes - at), at);
  }

  /** Where in the chunk the next header may be, from `from` on: an offset below 2^50, and a size that is neither 0 nor 2^32 or more. */
  private candidate(from: number): number {
    const { chunk, chunkLength } = this;
    for (let i = from; i + HEADER <= chunkLength; i++) {
      if (chunk[i] !== 0 || chunk[i + 1]! > 4) continue;
      if ((chunk[i + 8]! | chunk[i + 9]! | chunk[i + 10]! | chunk[i + 11]!) !== 0) continue;
      if ((chunk[i + 12]! | chunk[i + 13]! | chunk[i + 14]! | chunk[i + 15]!) !== 0) return i;
      // The size ends in zeros, and so it does up to where it has the next byte that is not.
      i = Math.max(i, this.behindZeros(i + HEADER) - HEADER);
    }
    return SEARCH_BYTES;
  }

  /** Where in the chunk the next byte is, from `from` on, that is not zero. */
  private behindZeros(from: number): number {
    const { chunk, chunkWords, chunkLength } = this;
    let i = from;
    for (; i < chunkLength && i % 4 !== 0; i++) if (chunk[i] !== 0) return i;
    for (let word = i / 4; i + 4 <= chunkLength && chunkWords[word] === 0; word++) i += 4;
    for (; i < chunkLength && chunk[i] === 0; i++);
    return Math.min(i, chunkLength);
  }

  private read(into: Uint8Array, length: number, byteOffset: number): number {
    try {
      return preadFully(readSync, this.source.fd, into, 0, length, byteOffset);
    } catch {
      // A bad sector: what is behind it may be found all the same.
      into.fill(0, 0, length);
      return length;
    }
  }
}
