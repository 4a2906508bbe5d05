/**
 * What unpacking the pages of a dump costs by itself: for the row `verify` of peers.js, by test/lab/run-ts.js.
 *
 *   run-ts.js bench/decompress.ts FILE THREADS      prints {"pages", "pagesPerSecond", "maker"}
 *
 * All threads at once, each its share of the dump: pages are brought into memory, which is not timed, and unpacked, which is. A
 * thread's pages by its time, added up.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { openDecompressor } from '../src/codec/makers.ts';
import { runsOf } from '../src/read/bitmap.ts';
import { codecOf } from '../src/read/kdump-file.ts';
import { closeDump, openDump } from '../src/read/open.ts';
import { State } from '../src/read/page-state.ts';
import { existingBits, storedBits } from '../src/read/stored-pages.ts';
import { openReader } from '../src/workers/thread.ts';

/** Page frames that a thread takes at once, and packed bytes that it has in memory: they fit no cache. */
const SLICE = 2 ** 13;
const BATCH_BYTES = 64 * 2 ** 20;

interface Share {
  readonly path: string;
  readonly thread: number;
  readonly threads: number;
}
interface Outcome {
  pages: number;
  ms: number;
  maker: string;
}

export async function main([path, threads]: string[]): Promise<void> {
  const count = Number(threads);
  const all = await Promise.all(
    Array.from({ length: count }, (_, thread) => inThread({ path: path!, thread, threads: count })),
  );
  const pages = all.reduce((sum, each) => sum + each.pages, 0);
  const pagesPerSecond = all.reduce((sum, each) => sum + (each.pages / each.ms) * 1000, 0);
  process.stdout.write(`${JSON.stringify({ pages, pagesPerSecond, maker: all[0]!.maker })}\n`);
}

function inThread(workerData: Share): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData });
    worker.on('message', resolve);
    worker.on('error', reject);
  });
}

async function unpackShare({ path, thread, threads }: Share): Promise<Outcome> {
  const file = openDump(path);
  if (file.format !== 'kdump' || file.codec === undefined)
    throw new Error(`${path}: its pages are not packed`);
  const reader = await openReader(file, false);
  const stored = reader.stored!;
  const codec = await openDecompressor(file.codec);
  const batch = Buffer.alloc(BATCH_BYTES);
  const ends = new Uint32Array(BATCH_BYTES / 64);
  const page = Buffer.alloc(file.pageSize);
  const outcome = { pages: 0, ms: 0, maker: codec.maker };
  let used = 0;
  let count = 0;
  const unpack = () => {
    const began = performance.now();
    for (let i = 0, at = 0; i < count; at = ends[i++]!)
      if (codec.decompress(batch.subarray(at, ends[i]!), page) !== page.length) throw new Error('not a page');
    outcome.ms += performance.now() - began;
    outcome.pages += count;
    used = 0;
    count = 0;
  };
  const existing = new Uint8Array(SLICE / 8);
  const bits = new Uint8Array(SLICE / 8);
  for (let pfn = thread * SLICE; pfn < file.maxMapnr; pfn += threads * SLICE) {
    existing.fill(0);
    bits.fill(0);
    existingBits(file, pfn, SLICE, existing);
    storedBits(file, pfn, SLICE, existing, bits);
    for (const [from, to] of runsOf(bits, 0, SLICE)) {
      for (let bit = from; bit < to; bit++) {
        if (stored.find(pfn + bit) !== State.here || codecOf(stored.flags) !== file.codec) continue;
        if (used + stored.size > batch.length || count === ends.length) unpack();
        stored.fetch();
        stored.data.copy(batch, used, stored.at, stored.at + stored.size);
        used += stored.size;
        ends[count++] = used;
      }
    }
  }
  unpack();
  codec.close();
  reader.close();
  closeDump(file);
  return outcome;
}

if (!isMainThread) parentPort!.postMessage(await unpackShare(workerData as Share));
