/** Whether two dumps of one input have the same pages: second bitmap against second bitmap, then the contents. */

import { SmeltError } from '../errors.ts';
import { runsOf, testBit } from '../read/bitmap.ts';
import type { DumpFile, Extents, KdumpDumpFile, MemoryReader } from '../read/dump-file.ts';
import { closeDump } from '../read/open.ts';
import { partOf } from '../read/source.ts';
import { openInput } from '../workers/input.ts';
import { PagePair } from '../workers/page-pair.ts';
import { openReader } from '../workers/thread.ts';
import type { SamePagesReport } from './report.ts';
import { stopPoint } from './rounds.ts';

/** Page frames looked at at once; a multiple of 8. */
const SLICE = 2 ** 18;
/** Contents of more pages than this are compared in a sample, evenly spread. */
const MOST_CONTENT_BYTES = 2 ** 30;
const MOST_RUNS = 10;

/** Counted while the bitmaps are walked; the runs are of page frames that nothing explains. */
interface Found {
  keptByBoth: number;
  onlySmelt: number;
  onlyPeer: number;
  behindPeersEnd: number;
  partlyInInput: number;
  readonly unexplained: { pfn: number; count: number; keptBy: 'smelt' | 'peer' }[];
}

/** `peer` and `smelt` are kdump-compressed files made of `input`. @throws SmeltError PEER when one is none */
export async function comparePages(
  input: string,
  smelt: string,
  peer: string,
  signal: AbortSignal,
): Promise<SamePagesReport> {
  const files: DumpFile[] = [];
  const readers: MemoryReader[] = [];
  try {
    for (const path of [input, smelt, peer]) files.push(await openInput({ input: path }, signal));
    const [source, ours, theirs] = files as [DumpFile, DumpFile, DumpFile];
    for (const file of [ours, theirs]) readers.push(await openReader(file, false));
    if (ours.format !== 'kdump' || theirs.format !== 'kdump')
      throw notKdump(ours.format !== 'kdump' ? ours : theirs);
    return await compare(source, [ours, theirs], readers as [MemoryReader, MemoryReader], signal);
  } finally {
    for (const reader of readers) reader.close();
    for (const file of files) closeDump(file);
  }
}

function notKdump({ path }: DumpFile): SmeltError {
  return new SmeltError('PEER', `${path}: is no kdump-compressed file, so its pages cannot be compared`);
}

async function compare(
  source: DumpFile,
  [ours, theirs]: readonly [KdumpDumpFile, KdumpDumpFile],
  [our, their]: readonly [MemoryReader, MemoryReader],
  signal: AbortSignal,
): Promise<SamePagesReport> {
  const found: Found = {
    keptByBoth: 0,
    onlySmelt: 0,
    onlyPeer: 0,
    behindPeersEnd: 0,
    partlyInInput: 0,
    unexplained: [],
  };
  const end = Math.max(ours.maxMapnr, theirs.maxMapnr);
  const slices = { ours: new Uint8Array(SLICE / 8), theirs: new Uint8Array(SLICE / 8) };
  for (let pfn = 0; pfn < end; pfn += SLICE) {
    await stopPoint(signal);
    bitsOf(ours, pfn, slices.ours);
    bitsOf(theirs, pfn, slices.theirs);
    countSlice(source, theirs, pfn, slices, found);
  }
  const pair = new PagePair(our, their);
  const step = Math.max(1, (found.keptByBoth * ours.pageSize) / MOST_CONTENT_BYTES);
  let comparedContents = 0;
  let differentContents = 0;
  let rank = 0;
  let next = 0;
  for (let pfn = 0; pfn < end; pfn += SLICE) {
    bitsOf(ours, pfn, slices.ours);
    bitsOf(theirs, pfn, slices.theirs);
    for (let i = 0; i < slices.ours.length; i++) slices.ours[i]! &= slices.theirs[i]!;
    for (const [from, to] of runsOf(slices.ours, 0, SLICE)) {
      if (comparedContents % 64 === 0) await stopPoint(signal);
      for (let bit = from; bit < to; bit++, rank++) {
        if (rank < Math.floor(next)) continue;
        next += step;
        comparedContents++;
        pair.compare(pfn + bit, 1, (_pfn, _pages, what) => {
          // A page that neither has whole is no difference.
          if (what !== 'identical' && what !== 'neither') differentContents++;
        });
      }
    }
  }
  const differ = found.onlySmelt + found.onlyPeer;
  return {
    same: differ === 0 && differentContents === 0,
    differ,
    ...found,
    comparedContents,
    differentContents,
  };
}

/** The second bitmap from `pfn` on; page frames behind its end are not kept. */
function bitsOf(file: KdumpDumpFile, pfn: number, into: Uint8Array): void {
  into.fill(0);
  const bits = Math.max(0, Math.min(SLICE, file.maxMapnr - pfn));
  if (bits === 0) return;
  const { bitmap2Offset } = file;
  into.set(partOf(file, 'the second bitmap', bitmap2Offset + pfn / 8, Math.ceil(bits / 8)));
  // What a writer left behind the last bit means nothing.
  for (let bit = bits; bit % 8 !== 0; bit++) into[bit >>> 3]! &= ~(1 << (bit & 7));
}

function countSlice(
  source: DumpFile,
  theirs: KdumpDumpFile,
  pfn: number,
  slices: { readonly ours: Uint8Array; readonly theirs: Uint8Array },
  found: Found,
): void {
  for (let byte = 0; byte < slices.ours.length; byte++) {
    const [a, b] = [slices.ours[byte]!, slices.theirs[byte]!];
    if ((a | b) === 0) continue;
    for (let bit = byte * 8; bit < byte * 8 + 8; bit++) {
      const [kept, keptByPeer] = [testBit(slices.ours, bit), testBit(slices.theirs, bit)];
      if (kept && keptByPeer) found.keptByBoth++;
      else if (kept || keptByPeer) countOne(source, theirs, pfn + bit, kept ? 'smelt' : 'peer', found);
    }
  }
}

function countOne(
  source: DumpFile,
  theirs: KdumpDumpFile,
  pfn: number,
  keptBy: 'smelt' | 'peer',
  found: Found,
): void {
  if (keptBy === 'peer') found.onlyPeer++;
  else {
    found.onlySmelt++;
    if (pfn >= theirs.maxMapnr) {
      found.behindPeersEnd++;
      return;
    }
    if (isPart(source.memory, pfn, source.pageSize)) {
      found.partlyInInput++;
      return;
    }
  }
  const last = found.unexplained.at(-1);
  if (last !== undefined && last.keptBy === keptBy && last.pfn + last.count === pfn) last.count++;
  else if (found.unexplained.length < MOST_RUNS) found.unexplained.push({ pfn, count: 1, keptBy });
}

/** Whether a range of memory begins or ends inside this page frame. */
function isPart({ paddr, sizeBytes }: Extents, pfn: number, pageSize: number): boolean {
  const [from, to] = [pfn * pageSize, (pfn + 1) * pageSize];
  const inside = (address: number) => address > from && address < to;
  return paddr.some((start, i) => inside(start) || inside(start + sizeBytes[i]!));
}
