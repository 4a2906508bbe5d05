/** Every page of a dump is read and unpacked, and nothing is kept of it but whether it is whole. */

import type { CodecName } from '../codec/codec.ts';
import { windowSpan } from '../filter/plan.ts';
import { runsOf } from '../read/bitmap.ts';
import type { MemoryReader } from '../read/dump-file.ts';
import { CompressionFlag } from '../read/kdump-layout.ts';
import { type PageState, State, type StoredPages } from '../read/page-state.ts';
import { existingBits, storedBits } from '../read/stored-pages.ts';
import { FirstRuns, firstOf } from './first-runs.ts';
import { addDone, isStopped, takeWindows } from './job.ts';
import type { LostPages, PfnRun } from './report.ts';
import type { Thread } from './thread.ts';

/** How a page is stored; `zstd+checksum`: the frame has one of its contents. */
export type Storage = CodecName | 'zstd+checksum' | 'raw' | 'memory';

/** Pages that are not whole, for one reason. */
export interface BadPages {
  readonly pages: number;
  readonly runs: readonly PfnRun[];
  /** Of the first one: where its bytes should be, and in which part of a split dump; undefined where nothing says it. */
  readonly byteOffset: number | undefined;
  readonly part: number;
}

/** Where in a part of a kdump-compressed dump no page can be, besides what is before its data. */
export interface PartPlaces {
  readonly descriptorsEnd: number;
  /** What else stands behind the descriptors. */
  readonly reserved: readonly { readonly from: number; readonly end: number }[];
}

/** `places`: of each part; of an ELF core there are none. */
export interface VerifyTask {
  readonly phase: 'verify';
  readonly places: readonly PartPlaces[];
}

export interface VerifyResult {
  /** Pages that are whole. */
  readonly whole: Partial<Record<Storage, number>>;
  readonly bad: Partial<Record<keyof LostPages, BadPages>>;
  /** Of each part: pages that begin right behind its descriptors. */
  readonly atEnd: readonly number[];
}

/** Why a page is not whole, by what there is of it. */
const REASONS: Readonly<Record<Exclude<PageState, typeof State.here>, keyof LostPages>> = {
  [State.absent]: 'otherPart',
  [State.marked]: 'neverWritten',
  [State.noDescriptor]: 'cutOff',
  [State.implausible]: 'badDescriptor',
  [State.cut]: 'cutOff',
  [State.unreadable]: 'unreadable',
  [State.noCodec]: 'noCodec',
  [State.undecodable]: 'notWhole',
};
const STORAGE: Readonly<Record<number, Storage>> = {
  0: 'raw',
  ...Object.fromEntries(Object.entries(CompressionFlag).map(([name, flag]) => [flag, name as Storage])),
};

/** Pages between two looks at the world: at the slowest codec a few hundredths of a second. */
const LOOK_PAGES = 64;
/** Places of pages that were found whole lately: the page of zeros that many share, and what --dedup stored once. */
const REMEMBERED = 2 ** 12;
/** Of a zstd frame: the byte with its flags, and the one that says that a checksum follows. Source: RFC 8878, 3.1.1.1. */
const ZSTD_FLAGS_AT = 4;
const ZSTD_CHECKSUM = 0x04;

/** Does windows until there are none left. Yields every so many pages. */
export function* verifyPages(
  thread: Thread,
  { places }: VerifyTask,
  seat?: number,
): Generator<void, VerifyResult> {
  const { job, reader } = thread;
  const { file, plan, shared } = job;
  const tally = new Tally(places.length);
  const check =
    reader.stored === undefined
      ? new MemoryCheck(reader, tally)
      : new StoredCheck(reader.stored, places, file.pageSize, tally);
  const existing = new Uint8Array(plan.windowPages / 8);
  const bits = new Uint8Array(plan.windowPages / 8);
  for (const index of takeWindows(job, 'verify', seat)) {
    const { pfn, count } = windowSpan(plan, index);
    existing.fill(0);
    bits.fill(0);
    existingBits(file, pfn, count, existing);
    storedBits(file, pfn, count, existing, bits);
    for (const [from, to] of runsOf(bits, 0, count)) {
      for (let at = from; at < to; ) {
        const n = check.run(pfn + at, Math.min(to - at, LOOK_PAGES));
        at += n;
        addDone(shared, 'verify', n);
        yield;
        if (isStopped(shared)) return tally.result();
      }
    }
    yield;
  }
  return tally.result();
}

/** What was found so far. */
class Tally {
  readonly atEnd: number[];
  private readonly whole: Partial<Record<Storage, number>> = {};
  private readonly bad = new Map<
    keyof LostPages,
    { pages: number; runs: FirstRuns } & Pick<BadPages, 'byteOffset' | 'part'>
  >();

  constructor(parts: number) {
    this.atEnd = new Array<number>(parts).fill(0);
  }

  addWhole(storage: Storage, pages = 1): void {
    this.whole[storage] = (this.whole[storage] ?? 0) + pages;
  }

  addBad(reason: keyof LostPages, pfn: number, byteOffset: number | undefined, part: number): void {
    let bad = this.bad.get(reason);
    if (bad === undefined) {
      bad = { pages: 0, runs: new FirstRuns(), byteOffset, part };
      this.bad.set(reason, bad);
    }
    bad.pages++;
    bad.runs.add(pfn);
  }

  result(): VerifyResult {
    const bad = Object.fromEntries(
      [...this.bad].map(([reason, found]) => [reason, { ...found, runs: found.runs.runs }]),
    );
    return { whole: this.whole, bad, atEnd: this.atEnd };
  }
}

/** Pages that are stored one by one. */
class StoredCheck {
  private readonly stored: StoredPages;
  private readonly places: readonly PartPlaces[];
  private readonly tally: Tally;
  private readonly page: Buffer;
  /** Where pages are that were found whole, and how they are stored there. */
  private readonly seen = new Float64Array(REMEMBERED).fill(-1);
  private readonly seenAs: Storage[] = new Array<Storage>(REMEMBERED).fill('raw');
  private readonly seenSizes = new Uint32Array(REMEMBERED);
  private readonly seenFlags = new Uint32Array(REMEMBERED);

  constructor(stored: StoredPages, places: readonly PartPlaces[], pageSize: number, tally: Tally) {
    this.stored = stored;
    this.places = places;
    this.tally = tally;
    this.page = Buffer.alloc(pageSize);
  }

  run(pfn: number, count: number): number {
    for (let i = 0; i < count; i++) this.check(pfn + i);
    return count;
  }

  private check(pfn: number): void {
    const { stored, tally } = this;
    const state = stored.find(pfn);
    if (state !== State.here) {
      const hasPlace = state === State.implausible || state === State.cut;
      tally.addBad(REASONS[state], pfn, hasPlace ? stored.place : undefined, Math.max(0, stored.partNumber));
      return;
    }
    const { place, size, flags, partNumber } = stored;
    const { descriptorsEnd, reserved } = this.places[partNumber]!;
    if (place === descriptorsEnd) tally.atEnd[partNumber]!++;
    if (reserved.some(({ from, end }) => place < end && place + size > from)) {
      tally.addBad('overlapping', pfn, place, partNumber);
      return;
    }
    const slot = (place + partNumber) % REMEMBERED;
    const isSeen =
      this.seen[slot] === place && this.seenSizes[slot] === size && this.seenFlags[slot] === flags;
    if (isSeen && this.places.length === 1) {
      tally.addWhole(this.seenAs[slot]!);
      return;
    }
    const unpacked = stored.fetch() ? stored.unpack(this.page) : State.unreadable;
    if (unpacked !== State.here) {
      tally.addBad(REASONS[unpacked], pfn, place, partNumber);
      return;
    }
    const storage = storageOf(stored);
    tally.addWhole(storage);
    this.seen[slot] = place;
    this.seenSizes[slot] = size;
    this.seenFlags[slot] = flags;
    this.seenAs[slot] = storage;
  }
}

function storageOf({ flags, data, at, size }: StoredPages): Storage {
  const storage = STORAGE[flags] ?? 'raw';
  const hasFlags = storage === 'zstd' && size > ZSTD_FLAGS_AT;
  return hasFlags && (data[at + ZSTD_FLAGS_AT]! & ZSTD_CHECKSUM) !== 0 ? 'zstd+checksum' : storage;
}

/** Memory as it lay: that it can be read is all that can be said of it. */
class MemoryCheck {
  private readonly reader: MemoryReader;
  private readonly tally: Tally;

  constructor(reader: MemoryReader, tally: Tally) {
    this.reader = reader;
    this.tally = tally;
  }

  run(pfn: number, count: number): number {
    const loaded = this.reader.load(pfn, count);
    if (loaded > 0) this.tally.addWhole('memory', loaded);
    else this.tally.addBad('unreadable', pfn, undefined, 0);
    return Math.max(1, loaded);
  }
}

/** Adds up what the threads found. */
export function sumVerified(results: readonly VerifyResult[]): VerifyResult {
  const whole: Partial<Record<Storage, number>> = {};
  const bad: Partial<Record<keyof LostPages, BadPages>> = {};
  for (const result of results) {
    for (const [storage, pages] of Object.entries(result.whole) as [Storage, number][])
      whole[storage] = (whole[storage] ?? 0) + pages;
    for (const [reason, found] of Object.entries(result.bad) as [keyof LostPages, BadPages][]) {
      const other = bad[reason];
      bad[reason] = other === undefined ? found : joined(other, found);
    }
  }
  const atEnd = results[0]?.atEnd.map((_, part) => results.reduce((sum, each) => sum + each.atEnd[part]!, 0));
  return { whole, bad, atEnd: atEnd ?? [] };
}

function joined(a: BadPages, b: BadPages): BadPages {
  const [first] = a.runs[0]!.pfn < b.runs[0]!.pfn ? [a, b] : [b, a];
  return { ...first!, pages: a.pages + b.pages, runs: firstOf([a.runs, b.runs]) };
}
