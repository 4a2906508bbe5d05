/** `smelt diff`: two dumps page by page. */

import { SmeltError } from '../errors.ts';
import { MAX_DUMP_LEVEL, PAGE_CLASSES, type PageClass } from '../filter/page-class.ts';
import type { DumpFile, Extents } from '../read/dump-file.ts';
import { extentsOf } from '../read/extents.ts';
import { comma } from '../read/file.ts';
import { isInMemory } from '../read/live.ts';
import { closeDump } from '../read/open.ts';
import { type Description, describeByNotes } from '../workers/describe.ts';
import { type FoundPages, sumDiff } from '../workers/diff-phase.ts';
import { describing, inputReport, openInput, stopIfAborted, withHelpers } from '../workers/input.ts';
import { readingJob } from '../workers/reading-job.ts';
import type { DumpObserver, InputReport, InputRequest, PfnRun, TeamReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { assembleTeam, type Team } from '../workers/team.ts';

export interface DiffRequest extends Omit<InputRequest, 'moreParts'> {
  /** B; of split dumps all parts, those of A first: which of them is where B begins, they say themselves. */
  readonly others: readonly string[];
  /** Pages that only one of them has are a difference too. */
  readonly exact: boolean;
}

/** Pages of one kind. */
export interface PagesReport {
  readonly pages: number;
  /** Those of them that there are; undefined where the dump's memory map cannot be read. */
  readonly classes: Partial<Record<PageClass, number>> | undefined;
  /** The first few. */
  readonly runs: readonly PfnRun[];
}

export interface DiffReport extends TeamReport {
  readonly a: InputReport;
  readonly b: InputReport;
  /** No page that both have differs, and all of them could be read; with --exact: and both have the same pages. */
  readonly same: boolean;
  readonly exact: boolean;
  readonly pageSizeBytes: number;
  readonly identicalPages: number;
  readonly differ: PagesReport;
  /** Pages that the other one does not have: left out when it was filtered, or no memory there. */
  readonly onlyA: PagesReport;
  readonly onlyB: PagesReport;
  /** Pages that both say they have, and that one of them does not have whole. */
  readonly unreadable: PagesReport;
}

/** @throws SmeltError; INTERRUPTED when the signal was aborted */
export async function diff(
  request: DiffRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<DiffReport> {
  const began = performance.now();
  const [a, b] = await openBoth([request.input, ...request.others], signal);
  try {
    if (a.file.pageSize !== b.file.pageSize) {
      closeDump(a.file);
      throw new SmeltError(
        'UNSUPPORTED',
        `${b.file.path}: has pages of ${comma(b.file.pageSize)} bytes, and ${a.file.path} of ${comma(a.file.pageSize)}`,
        { hint: 'They are dumps of different machines.' },
      );
    }
    const { pageSize } = a.file;
    const memory = { pageSize, memory: joined(a.file.memory, b.file.memory) };
    return await withHelpers(
      a.file,
      request,
      async ({ plan, helpers }) => {
        const known = async ({ file, paths: [input, ...moreParts] }: Opened) => {
          const mmap = request.mmap ?? !isInMemory(file);
          const own = { ...request, input: input!, moreParts };
          const description = await described(file, mmap, own, observer, signal);
          const job = readingJob({ file, plan, helpers, description, mmap }, MAX_DUMP_LEVEL);
          return { job, report: inputReport(file, own, description), description };
        };
        const ofA = await known(a);
        const ofB = await known(b);
        let team: Team | undefined;
        try {
          team = await assembleTeam(ofA.job, helpers, observer.onProgress.bind(observer), signal);
          const found = sumDiff(await team.diff(ofB.job, plan.totalPages));
          stopIfAborted(signal);
          if (team.fallback !== undefined) observer.onWarning(team.fallback);
          const { differ, onlyA, onlyB, unreadable, identicalPages } = found;
          const lone = onlyA.pages + onlyB.pages;
          return {
            a: ofA.report,
            b: ofB.report,
            same: differ.pages + unreadable.pages + (request.exact ? lone : 0) === 0,
            exact: request.exact,
            pageSizeBytes: pageSize,
            identicalPages,
            differ: pagesReport(differ, ofA.description),
            onlyA: pagesReport(onlyA, ofA.description),
            onlyB: pagesReport(onlyB, ofB.description),
            unreadable: pagesReport(unreadable, ofA.description),
            threads: team.threads,
            phases: team.phases,
            totalMs: performance.now() - began,
            peakRssBytes: peakRssBytes(),
            warnings: [
              ...strangers(ofA.description, ofB.description),
              ...(team.fallback === undefined ? [] : [team.fallback]),
            ],
          };
        } finally {
          team?.close();
        }
      },
      memory,
    );
  } finally {
    // withHelpers has closed the first one.
    closeDump(b.file);
  }
}

interface Opened {
  readonly file: DumpFile;
  readonly paths: readonly string[];
}

/** A takes as many files as make a whole dump, and B the others. */
async function openBoth(paths: readonly string[], signal: AbortSignal): Promise<[Opened, Opened]> {
  const open = ([input, ...moreParts]: [string, ...string[]]) => openInput({ input, moreParts }, signal);
  let failure: unknown;
  for (let n = 1; n < paths.length; n++) {
    const [own, others] = [paths.slice(0, n), paths.slice(n)] as [[string], [string]];
    let file: DumpFile;
    try {
      file = await open(own);
    } catch (error) {
      failure = error;
      // Others may be what it lacks.
      if (error instanceof SmeltError && error.code === 'PARTS') continue;
      throw error;
    }
    try {
      return [
        { file, paths: own },
        { file: await open(others), paths: others },
      ];
    } catch (error) {
      closeDump(file);
      throw error;
    }
  }
  throw failure;
}

/** Pages may be the same all the same. */
function strangers({ machine: a }: Description, { machine: b }: Description): string[] {
  const kernel = ({ arch, release }: typeof a) =>
    `${release === undefined ? 'a kernel' : `Linux ${release}`} of ${arch}`;
  const areAlike = a.arch === b.arch && (a.release === b.release || !a.release || !b.release);
  return areAlike ? [] : [`they are dumps of different kernels: A of ${kernel(a)}, B of ${kernel(b)}`];
}

function joined(a: Extents, b: Extents): Extents {
  const segments = [a, b].flatMap(({ paddr, sizeBytes }) =>
    Array.from(paddr, (start, i) => ({ paddr: start, sizeBytes: sizeBytes[i]!, byteOffset: start })),
  );
  return extentsOf(segments);
}

/** Of which class pages are need not be known to compare them. */
function described(
  file: DumpFile,
  mmap: boolean,
  request: InputRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<Description> {
  return describing(
    file,
    mmap,
    request,
    observer,
    signal,
    async ({ description }) => description,
    (error) => {
      if (error instanceof SmeltError && error.code === 'UNSUPPORTED') return describeByNotes(file);
      throw error;
    },
  );
}

function pagesReport({ pages, classes, runs }: FoundPages, { machine }: Description): PagesReport {
  const some = PAGE_CLASSES.map((name, i) => [name, classes[i]!] as const).filter(([, count]) => count > 0);
  return { pages, classes: machine.memoryMap === undefined ? undefined : Object.fromEntries(some), runs };
}
