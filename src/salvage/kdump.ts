/** A kdump-compressed file whose headers may be damaged: where its bitmaps and descriptors are is believed when they fit each other. */

import { SmeltError } from '../errors.ts';
import type { KdumpDumpFile } from '../read/dump-file.ts';
import { comma } from '../read/file.ts';
import { codecOf, type KdumpHead, type KdumpPlaces, kdumpFile, mainHead } from '../read/kdump-file.ts';
import {
  bitmapBytes,
  DiskDumpHeader,
  KDUMP_SIGNATURE,
  KdumpSubHeader,
  PageDescriptor,
  UTS_FIELDS,
  UTS_LENGTH,
} from '../read/kdump-layout.ts';
import { MAX_NOTE_BYTES, MAX_PADDR } from '../read/limits.ts';
import { nextData, partOf, type Source } from '../read/source.ts';
import type { Broken } from './broken.ts';
import { mayBegin, whyNotTogether } from './evidence.ts';
import { notesBehind, wholeNotes } from './notes.ts';

const BLOCK_SIZES = [4096, 65536, 16384, 8192, 32768];
/** Blocks of both bitmaps that are tried where nothing says how many there are: those of 4 TiB. */
const MOST_GUESSED_BLOCKS = 2 ** 16;
/** Bytes of bitmaps and descriptors that are looked at for all guesses together, and at least for each: those of 16 TiB, or a few seconds. */
const MOST_WORK_BYTES = 2 ** 32;
const LEAST_WORK_BYTES = 2 ** 20;
/** Steps in which one of them, also the one that the headers state, is looked at: the bitmaps of 128 TiB that have no hole. */
const MOST_STEPS = 2 ** 18;
/** Some milliseconds' work, where nothing is there. */
const GUESSES_A_STEP = 512;
/** More CPUs than any machine has. */
const MAX_CPUS = 2 ** 16;
const MACHINES = new Set(['x86_64', 'aarch64', 's390x', 'ppc64', 'ppc64le', 'riscv64', 'loongarch64']);

type MainHeader = ReturnType<typeof DiskDumpHeader.read>;
type SubHeader = ReturnType<typeof KdumpSubHeader.read>;

interface Guess {
  readonly places: KdumpPlaces;
  readonly main: MainHeader;
  readonly sub: SubHeader;
  /** Whether the headers themselves say so. */
  readonly asStated: boolean;
  /** Whether they say where everything is, of which one of the bitmaps, or being a part of a dump, need not be believed. */
  readonly statedPlaces: boolean;
  /** Whether the first bitmap has the place of the second. */
  readonly firstForBoth: boolean;
}

/** @throws SmeltError where nothing fits: what the headers say is told */
export function* openBrokenKdump(source: Source): Generator<void, Broken> {
  let first: SmeltError | undefined;
  let workBytes = 0;
  for (const guess of guesses(source)) {
    yield;
    if (guess === undefined) continue;
    const { places, asStated, statedPlaces, firstForBoth } = guess;
    // Descriptors of an unfinished dump need not begin with those that were written: pages are written by their urgency.
    const isSaid = asStated || (statedPlaces && firstForBoth);
    if (!isSaid && !mayBegin(source, places.descOffset, places.blockSize)) continue;
    if (!asStated && workBytes > MOST_WORK_BYTES) break;
    const tried = yield* tryOpen(source, guess);
    if (!(tried instanceof SmeltError)) return tried;
    first ??= tried;
    workBytes += LEAST_WORK_BYTES + workOf(source, places);
  }
  throw first ?? unknownFile(source);
}

/** What a sparse file claims has no end: its few bytes may keep one busy for hours where holes are read. */
function* inTime<T>({ path }: Source, steps: Generator<void, T>): Generator<void, T> {
  for (let taken = 0; ; taken++) {
    const step = steps.next();
    if (step.done) return step.value;
    if (taken >= MOST_STEPS)
      throw new SmeltError('UNSUPPORTED', `${path}: has larger bitmaps or more descriptors than any machine`);
    yield;
  }
}

/** What is read at most to know whether the guess fits: both bitmaps, one of them twice, and the descriptors. */
function workOf({ fileBytes }: Source, { maxMapnr, descOffset }: KdumpPlaces): number {
  return 3 * (maxMapnr / 8) + Math.min(maxMapnr * PageDescriptor.size, fileBytes - descOffset);
}

function unknownFile(source: Source): SmeltError {
  const { path, fileBytes, flat } = source;
  const { signature } = DiskDumpHeader.read(headerAt(source, 0, DiskDumpHeader.size));
  if (signature === KDUMP_SIGNATURE) {
    return new SmeltError(
      'TRUNCATED',
      `${path}: is a kdump-compressed dump whose page descriptors are nowhere in its ${comma(fileBytes)} bytes`,
      { hint: 'It ends before them, or its headers are damaged. Copy it again from where it was made.' },
    );
  }
  const what = flat === undefined ? 'it' : 'what is in the stream';
  return new SmeltError(
    'NOT_A_DUMP',
    `${path}: ${what} does not begin as an ELF or kdump-compressed dump, and there are no page descriptors in its ${comma(fileBytes)} bytes`,
    { hint: 'Without its bitmaps and descriptors nothing says which page is which.' },
  );
}

const FOUND = 'its headers are damaged: where its parts are was found by their contents';
const FIRST_FOR_BOTH =
  'its second bitmap is damaged: everything was dumped, and the first one has what it should have';

function* tryOpen(source: Source, guess: Guess): Generator<void, Broken | SmeltError> {
  const { places, main, asStated } = guess;
  let file: KdumpDumpFile;
  try {
    // Memory that one bitmap has lost may be in the other.
    const bitmaps = [...new Set([places.bitmapOffset, places.bitmap2Offset])];
    file = yield* inTime(source, kdumpFile(source, places, NOTHING_SAID, bitmaps));
    // Where there are fewer pages than parts, some have none.
    const placed = { firstForBoth: guess.firstForBoth, eraseInfoAt: guess.sub.offset_eraseinfo };
    const isEmptyPart = asStated && file.split && file.parts[0]!.pages === 0;
    const why = isEmptyPart ? undefined : yield* inTime(source, whyNotTogether(file, placed));
    if (why !== undefined) return why;
    file = withHead(file, guess, headOf(source, guess));
  } catch (error) {
    if (error instanceof SmeltError && error.code !== 'INPUT_READ') return error;
    throw error;
  }
  const damage = [
    ...(asStated ? [] : [guess.firstForBoth ? FIRST_FOR_BOTH : FOUND]),
    ...(file.notes.length === 0 ? ['it has no notes, or they are damaged'] : []),
  ];
  const codec = file.codec ?? codecOfFirst(file);
  const isBelieved = main.signature === KDUMP_SIGNATURE && codec !== undefined;
  return { file: isBelieved ? file : { ...file, codec }, claimed: undefined, damage };
}

/** Layouts that the headers, or what of them makes sense, may mean. Those that they state come first. Undefined: a step on the way to the next one. */
function* guesses(source: Source): Generator<Guess | undefined> {
  const { fileBytes } = source;
  const main = DiskDumpHeader.read(headerAt(source, 0, DiskDumpHeader.size));
  const stated = main.block_size;
  const blockSizes = [...new Set(BLOCK_SIZES.includes(stated) ? [stated, ...BLOCK_SIZES] : BLOCK_SIZES)];
  const tried = new Set<string>();
  for (const blockSize of blockSizes) {
    if (fileBytes < 4 * blockSize) continue;
    const sub = KdumpSubHeader.read(headerAt(source, blockSize, KdumpSubHeader.size));
    for (const sizes of sizesOf(source, blockSize, main, sub)) {
      if (sizes === undefined) yield undefined;
      if (sizes === undefined) continue;
      const { blocks, subBlocks, maxMapnr } = sizes;
      const base = placesOf(main, blockSize, subBlocks, blocks, maxMapnr);
      if (base === undefined || base.descOffset > fileBytes) continue;
      const asStated =
        main.signature === KDUMP_SIGNATURE &&
        blockSize === stated &&
        subBlocks === main.sub_hdr_size &&
        blocks === main.bitmap_blocks &&
        maxMapnr === (base.version >= 6 ? sub.max_mapnr_64 : main.max_mapnr);
      let isFirst = true;
      for (const places of variantsOf(base, sub)) {
        const key = JSON.stringify(places);
        const firstForBoth = places.bitmap2Offset !== base.bitmap2Offset;
        if (!tried.has(key))
          yield { places, main, sub, asStated: asStated && isFirst, statedPlaces: asStated, firstForBoth };
        tried.add(key);
        isFirst = false;
      }
    }
  }
}

/** As a part of a split dump, or not, as the header says; where everything was dumped, the first bitmap has all that the second should have. */
function* variantsOf(base: KdumpPlaces, sub: SubHeader): Generator<KdumpPlaces> {
  const split = splitOf(base, sub);
  const first = { ...base, split };
  yield first;
  if (split !== undefined) yield base;
  if (sub.dump_level === 0 && base.bitmap2Offset !== base.bitmapOffset)
    yield { ...first, bitmap2Offset: base.bitmapOffset };
}

function splitOf({ version, maxMapnr }: KdumpPlaces, sub: SubHeader): KdumpPlaces['split'] {
  const [startPfn, endPfn] = (
    version >= 6 ? [sub.start_pfn_64, sub.end_pfn_64] : [sub.start_pfn, sub.end_pfn]
  ).map(Number) as [number, number];
  const isPart = version >= 2 && sub.split !== 0 && startPfn <= endPfn && endPfn <= maxMapnr && endPfn > 0;
  return isPart ? { startPfn, endPfn } : undefined;
}

interface Sizes {
  readonly subBlocks: number;
  /** Of both bitmaps. */
  readonly blocks: number;
  readonly maxMapnr: number;
}

function* sizesOf(
  source: Source,
  blockSize: number,
  main: MainHeader,
  sub: SubHeader,
): Generator<Sizes | undefined> {
  const most = MAX_PADDR / blockSize;
  const isCount = (value: number, limit: number) => Number.isInteger(value) && value > 0 && value <= limit;
  const statedPfns = (
    main.header_version >= 6 ? [sub.max_mapnr_64, main.max_mapnr] : [main.max_mapnr, sub.max_mapnr_64]
  ).filter((pfns) => isCount(pfns, most));
  const subSizes = new Set<number>();
  const mostSubBlocks = Math.ceil(MAX_NOTE_BYTES / blockSize);
  if (isCount(main.sub_hdr_size, mostSubBlocks)) subSizes.add(main.sub_hdr_size);
  const blocksFor = (noteBytes: number) => Math.ceil((KdumpSubHeader.size + noteBytes) / blockSize);
  if (sub.offset_note === blockSize + KdumpSubHeader.size && sub.size_note <= MAX_NOTE_BYTES)
    subSizes.add(blocksFor(sub.size_note));
  // Only where the headers do not lead anywhere the notes are read to know how long they are.
  const guessedSub = () => blocksFor(notesBehind(source, blockSize).length);
  const blockCounts = new Set<number>();
  if (isCount(main.bitmap_blocks, 2 ** 32)) blockCounts.add(main.bitmap_blocks);
  for (const pfns of statedPfns) blockCounts.add((2 * bitmapBytes(pfns, blockSize)) / blockSize);
  const pfnsFor = (blocks: number) => {
    const room = Math.floor(blocks / 2) * blockSize * 8;
    return [
      ...new Set([...statedPfns.filter((pfns) => bitmapBytes(pfns, blockSize) <= blocks * blockSize), room]),
    ];
  };
  for (const subBlocks of subSizes)
    for (const blocks of blockCounts)
      for (const maxMapnr of pfnsFor(blocks)) yield { subBlocks, blocks, maxMapnr };
  subSizes.add(guessedSub());
  for (const subBlocks of subSizes) {
    for (const blocks of blockCounts)
      for (const maxMapnr of pfnsFor(blocks)) yield { subBlocks, blocks, maxMapnr };
    for (let blocks = 2; blocks <= MOST_GUESSED_BLOCKS; blocks += 2) {
      if (blocks % GUESSES_A_STEP === 0) {
        yield undefined;
        // Nothing begins in a hole.
        const data = nextData(source, (1 + subBlocks + blocks) * blockSize);
        blocks = Math.max(blocks, 2 * Math.floor((data / blockSize - 1 - subBlocks) / 2));
      }
      if (blocks > MOST_GUESSED_BLOCKS || (1 + subBlocks + blocks) * blockSize >= source.fileBytes) break;
      if (!mayBegin(source, (1 + subBlocks + blocks) * blockSize, blockSize)) continue;
      for (const maxMapnr of pfnsFor(blocks)) yield { subBlocks, blocks, maxMapnr };
    }
  }
}

function placesOf(
  main: MainHeader,
  blockSize: number,
  subBlocks: number,
  blocks: number,
  maxMapnr: number,
): KdumpPlaces | undefined {
  const oneBitmap = bitmapBytes(maxMapnr, blockSize);
  const both = blocks * blockSize;
  if (maxMapnr < 1 || maxMapnr * blockSize > MAX_PADDR || oneBitmap > both) return undefined;
  const bitmapOffset = (1 + subBlocks) * blockSize;
  return {
    version: main.header_version >= 1 && main.header_version <= 6 ? main.header_version : 6,
    blockSize,
    bitmapOffset,
    // A dump of everything may have one bitmap that stands for both.
    bitmap2Offset: both >= 2 * oneBitmap ? bitmapOffset + both / 2 : bitmapOffset,
    descOffset: bitmapOffset + both,
    maxMapnr,
    split: undefined,
  };
}

/** What the headers say besides where everything is does not matter while that is looked for. */
const NOTHING_SAID: KdumpHead = {
  machine: undefined,
  utsname: new Uint8Array(0),
  timestamp: { sec: 0n, usec: 0n },
  nrCpus: 0,
  codec: undefined,
  incomplete: false,
  dumpLevel: 0,
  physBase: 0n,
  notes: new Uint8Array(0),
  eraseInfo: new Uint8Array(0),
};

/** Text is believed to be the erase info, and a page that has some of it is none. */
function withHead(file: KdumpDumpFile, { sub }: Guess, head: KdumpHead): KdumpDumpFile {
  const { length } = head.eraseInfo;
  const from = sub.offset_eraseinfo;
  const eraseInfoAt = length === 0 ? undefined : { from, end: from + length };
  return { ...file, ...head, parts: file.parts.map((part) => ({ ...part, eraseInfoAt })) };
}

/** What of the headers can be believed. */
function headOf(source: Source, { places, main, sub }: Guess): KdumpHead {
  const { version, blockSize, bitmapOffset } = places;
  const said = mainHead(main);
  const isLinux = Buffer.from(main.utsname).toString('latin1', 0, 6) === 'Linux\0';
  const isMain = main.signature === KDUMP_SIGNATURE;
  const { offset_eraseinfo: eraseAt, size_eraseinfo: eraseBytes } = sub;
  const hasErase =
    version >= 5 && eraseAt >= places.descOffset && eraseBytes > 0 && eraseBytes <= MAX_NOTE_BYTES;
  const eraseInfo =
    hasErase && eraseAt + eraseBytes <= source.fileBytes
      ? partOf(source, 'the erase info', eraseAt, eraseBytes)
      : Buffer.alloc(0);
  return {
    machine: isLinux && MACHINES.has(said.machine ?? '') ? said.machine : undefined,
    utsname: isLinux ? said.utsname : new Uint8Array(UTS_LENGTH * UTS_FIELDS.length),
    timestamp: isMain ? said.timestamp : { sec: 0n, usec: 0n },
    nrCpus: said.nrCpus <= MAX_CPUS ? said.nrCpus : 0,
    codec: said.codec,
    incomplete: isMain && said.incomplete,
    dumpLevel: sub.dump_level >= 0 && sub.dump_level <= 31 ? sub.dump_level : 0,
    physBase: sub.phys_base,
    notes: notesOf(source, version, blockSize, bitmapOffset, sub),
    eraseInfo: isText(eraseInfo) ? eraseInfo : Buffer.alloc(0),
  };
}

function notesOf(
  source: Source,
  version: number,
  blockSize: number,
  bitmapOffset: number,
  { offset_note, size_note }: SubHeader,
): Uint8Array {
  const isClaim = version >= 4 && offset_note >= blockSize && offset_note + size_note <= bitmapOffset;
  const claimed =
    isClaim && size_note > 0 && offset_note + size_note <= source.fileBytes
      ? wholeNotes(partOf(source, 'the notes', offset_note, size_note))
      : new Uint8Array(0);
  return claimed.length > 0 ? claimed : notesBehind(source, blockSize, bitmapOffset);
}

function isText(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x0a || byte === 0x09 || (byte >= 0x20 && byte < 0x7f));
}

/** What the first page that says so is packed with. */
function codecOfFirst(file: KdumpDumpFile) {
  const { descOffset, pages } = file.parts[0]!;
  const count = Math.min(pages, 1024);
  const bytes = partOf(file, 'page descriptors', descOffset, count * PageDescriptor.size);
  for (let i = 0; i < count; i++) {
    const codec = codecOf(PageDescriptor.read(bytes, i * PageDescriptor.size).flags);
    if (codec !== undefined) return codec;
  }
  return undefined;
}

/** Zeros where the file has none. */
function headerAt(source: Source, byteOffset: number, length: number): Uint8Array {
  return byteOffset + length <= source.fileBytes
    ? partOf(source, 'a header', byteOffset, length)
    : new Uint8Array(length);
}
