/** Opens a dump, describes it and judges it, as a run does; what the memory reads like may be changed on the way. */
import { closeSync, openSync } from 'node:fs';
import type { DumpFile, MemoryReader } from '../../../src/read/dump-file.ts';
import { parseNotes } from '../../../src/read/notes.ts';
import { openDump } from '../../../src/read/open.ts';
import type { Verdict } from '../../../src/sme/verdict/report.ts';
import { type JudgeOptions, judge } from '../../../src/sme/verdict/verdict.ts';
import { describe, type Search } from '../../../src/workers/describe.ts';
import { searchWith } from '../../../src/workers/search.ts';
import { openReader } from '../../../src/workers/thread.ts';
import type { PageCipher } from '../../build/cipher.ts';
import { elfNote } from '../../build/notes.ts';
import { requestOf } from '../../workers/run-dump.ts';

export const searchMemory: Search = searchWith(
  () => {},
  () => {},
);

/** Changes a page in place. */
export type Change = (pfn: number, page: Buffer) => void;

export interface JudgeDumpOptions extends JudgeOptions {
  readonly change?: Change | undefined;
  /** Names of the notes that are left; default all. */
  readonly notes?: ((name: string) => boolean) | undefined;
  /** More of the file than that. */
  readonly file?: (file: DumpFile) => DumpFile;
  /** For VMCOREINFO in memory. Default: none; in ciphertext it finds nothing. `searchMemory` is what a run does, and takes its time. */
  readonly search?: Search | undefined;
  readonly vmcoreinfoFile?: string;
  /** As if the file were /proc/vmcore. */
  readonly live?: boolean;
}

export interface Judged {
  readonly verdict: Verdict;
  /** Page frames touched by the verdict itself. */
  readonly touched: ReadonlySet<number>;
}

export async function judgeDump(path: string, options: JudgeDumpOptions = {}): Promise<Judged> {
  const opened = openDump(path);
  const readable = fileWith(opened, options);
  const plain = await openReader(readable, false);
  // What counts is where the open file lies, and there is none in /proc that the reader could read.
  const procFd = options.live ? openSync('/proc/self/status', 'r') : undefined;
  const file = procFd === undefined ? readable : { ...readable, fd: procFd };
  try {
    const touched = new Set<number>();
    const reader = readerWith(plain, options.change, touched);
    const { vmcoreinfoFile } = options;
    const request = requestOf({
      input: path,
      output: undefined,
      ...(vmcoreinfoFile === undefined ? {} : { vmcoreinfoFile }),
    });
    const search = options.search ?? async function* () {};
    const described = await describe(file, reader, request, search);
    touched.clear();
    return { verdict: await judge(file, reader, described, options), touched };
  } finally {
    plain.close();
    closeSync(opened.fd);
    if (procFd !== undefined) closeSync(procFd);
  }
}

function fileWith(file: DumpFile, options: JudgeDumpOptions): DumpFile {
  const { notes: keep } = options;
  const kept = [...parseNotes(file.notes)].filter(({ name }) => keep?.(name) ?? true);
  const notes = Buffer.concat(kept.map(({ name, type, desc }) => elfNote(name, type, desc)));
  const changed = { ...file, notes };
  return options.file?.(changed) ?? changed;
}

export function readerWith(
  plain: MemoryReader,
  change: Change | undefined,
  touched: Set<number>,
): MemoryReader {
  const { pageSize } = plain;
  const page = Buffer.alloc(pageSize);
  const load = (pfn: number): boolean => {
    touched.add(pfn);
    if (plain.load(pfn, 1) === 0) return false;
    plain.bytes.copy(page, 0, plain.start, plain.start + pageSize);
    change?.(pfn, page);
    return true;
  };
  return {
    pageSize,
    mapped: false,
    cutPages: 0,
    maxPages: 1,
    bytes: page,
    start: 0,
    load: (pfn) => (load(pfn) ? 1 : 0),
    read(paddr, into) {
      for (let done = 0; done < into.length; ) {
        const at = (paddr + done) % pageSize;
        const n = Math.min(into.length - done, pageSize - at);
        if (!load(Math.floor((paddr + done) / pageSize))) return false;
        into.set(page.subarray(at, at + n), done);
        done += n;
      }
      return true;
    },
    close() {},
  };
}

/** What a read without the encryption bit shows of memory that was written with it; `isPlain`: page frames that were shared. */
export function enciphered(cipher: PageCipher, isPlain: (pfn: number) => boolean = () => false): Change {
  return (pfn, page) => {
    if (!isPlain(pfn)) cipher.encipher(pfn, page);
  };
}

/** What a read with the encryption bit shows of memory that was written without it. */
export function deciphered(cipher: PageCipher): Change {
  return (pfn, page) => cipher.decipher(pfn, page);
}
