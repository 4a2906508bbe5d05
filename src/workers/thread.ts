/** What one thread has for its own: a reader of the input, and on demand the memory map and the codec. */

import { archByName } from '../arch/architectures.ts';
import { CachedMemory } from '../arch/memory.ts';
import { PageTableWalker } from '../arch/page-table.ts';
import { CODEC_NAMES, type PageCodec } from '../codec/codec.ts';
import { openCodec, openDecompressor } from '../codec/makers.ts';
import type { ReadableMap } from '../filter/struct-pages.ts';
import { ErasingReader } from '../kernel/erase/eraser.ts';
import { MemoryMap } from '../kernel/memory-model.ts';
import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { createReader } from '../read/open.ts';
import type { Job } from './job.ts';

export class Thread {
  /** Of the phase in hand: each has its own copy. */
  job: Job;
  readonly reader: MemoryReader;
  private codec: PageCodec | undefined;
  private other: Thread | undefined;

  private constructor(job: Job, reader: MemoryReader) {
    this.job = job;
    this.reader = reader;
  }

  static async open(job: Job): Promise<Thread> {
    return new Thread(job, await openReader(job.file, job.mmap));
  }

  /** Memory as it is written: what is to be erased is overwritten. The rest of the work needs it as it was. */
  get pages(): MemoryReader {
    const { erase } = this.job;
    return erase === undefined ? this.reader : new ErasingReader(this.reader, erase);
  }

  /** The memory map by this thread's own reader; undefined when it cannot be read. */
  memoryMap(): ReadableMap | undefined {
    const info = this.job.memoryMap;
    const arch = info && archByName(info.arch);
    if (!info || !arch) return undefined;
    const walker = new PageTableWalker(new CachedMemory(this.reader), arch.tableFormat, info.tables);
    return {
      map: new MemoryMap(info.model, walker, info.rules.sizeBytes),
      rules: info.rules,
      image: info.image,
    };
  }

  /** The output's codec, with its contexts; undefined when pages are stored raw. */
  async openCodec(): Promise<PageCodec | undefined> {
    const { codec, codecMaker, compressionLevel } = this.job;
    if (codec !== undefined)
      this.codec ??= await openCodec(codec, { kind: codecMaker, level: compressionLevel });
    return this.codec;
  }

  /** The same of another dump, for who holds one against the other. */
  async openOther(job: Job): Promise<Thread> {
    this.other ??= await Thread.open(job);
    this.other.job = job;
    return this.other;
  }

  close(): void {
    this.other?.close();
    this.reader.close();
    this.codec?.close();
  }
}

/** A reader with all decompressors that can be had here: which ones a kdump-compressed input needs, each page says. */
export async function openReader(file: DumpFile, mmap: boolean): Promise<MemoryReader> {
  const codecs =
    file.format === 'kdump' ? await Promise.all(CODEC_NAMES.map((name) => openDecompressor(name))) : [];
  return createReader(file, mmap, codecs);
}
