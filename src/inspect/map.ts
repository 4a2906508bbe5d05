/** `smelt map`: a picture of the memory in physical order. Who draws it gets the tiles; the files are written here. */

import { FRAME_CODES, FrameFlag } from '../filter/frame-kind.ts';
import { type Plan, windowOf } from '../filter/plan.ts';
import type { BitMeaning } from '../sme/census/census.ts';
import { takeCensus } from '../workers/census.ts';
import { type ClassifiedDump, type ClassifiedRequest, withClassified } from '../workers/classified.ts';
import type { FramesTask } from '../workers/frames-phase.ts';
import { refuseInputAsOutput, refuseSameOutputs } from '../workers/input.ts';
import type { DumpObserver, InputReport, TeamReport } from '../workers/report.ts';
import { takeSteps } from '../workers/steps.ts';
import { fitRuns, packedRuns, runsOfWindow, type TileRequest } from '../workers/tiles.ts';
import { openTarget, writeFully } from '../write/target-file.ts';
import { type ByKind, kindsOf, sumCounts } from './pages.ts';

export const PICTURE_FORMATS = ['html', 'svg', 'png'] as const;
export type PictureFormat = (typeof PICTURE_FORMATS)[number];

export interface MapRequest extends ClassifiedRequest {
  /** Empty: it is only shown. */
  readonly outputs: readonly { readonly format: PictureFormat; readonly path: string }[];
  readonly overwrite: boolean;
  /** Pages of zeros are not looked for. */
  readonly quick: boolean;
}

/** What is said of encryption; undefined where the page tables say nothing. */
export interface MapCensus {
  readonly meaning: Exclude<BitMeaning, 'none'>;
  readonly encryptedPages: number;
  readonly sharedPages: number;
}

export interface MapReport extends TeamReport {
  readonly input: InputReport;
  /** Page frames that the input describes: the kinds add up to them. */
  readonly totalPages: number;
  readonly kinds: ByKind;
  readonly zerosLookedFor: boolean;
  readonly census: MapCensus | undefined;
  readonly outputs: readonly {
    readonly format: PictureFormat;
    readonly path: string;
    readonly sizeBytes: number;
  }[];
  /** The picture itself, as a terminal without colours would show it; undefined where files were written. */
  readonly picture: PictureReport | undefined;
  /** Page frames of the smallest thing that the page of -o shows: 1, or more for parts of a large and motley machine. */
  readonly finestPages: number | undefined;
}

export interface PictureReport {
  readonly cellBytes: number;
  /** Ascending; rows without memory are left out. `cells`: a letter a cell, small where the dump does not have it, a blank where there is no memory. */
  readonly rows: readonly { readonly paddr: number; readonly cells: string }[];
  /** What each letter stands for. */
  readonly letters: Readonly<Record<string, string>>;
}

/** Two bytes a tile: FRAME_CODES, and how much of it is of that kind in 255ths. */
export interface Picture
  extends Pick<MapReport, 'input' | 'totalPages' | 'kinds' | 'zerosLookedFor' | 'census'> {
  /** First page frame of each window that has memory, ascending; each window is as long and begins at a multiple of its length. */
  readonly starts: Float64Array;
  readonly windowPages: number;
  /** Behind the last page frame. */
  readonly end: number;
  readonly tileShift: number;
  readonly tilesPerWindow: number;
  readonly tiles: Uint8Array;
  /** Of each window its runs, packed, each run of so many times 2^shift page frames; only where a page is written. */
  readonly packed: readonly Uint8Array[];
  readonly shifts: Uint8Array;
}

export interface Artist {
  readonly draw: Readonly<Record<PictureFormat, (picture: Picture) => Uint8Array>>;
  /** Where nothing is written; gives what it showed. */
  readonly show: (picture: Picture) => Promise<PictureReport>;
}

/** Tiles of all memory together: more than a screen has room for. */
const MOST_TILES = 2 ** 17;
/** Of packed runs: a page has a third more for its text. */
const MOST_PACKED_BYTES = 4 * 2 ** 20;

/** @throws SmeltError TARGET, WRITE, UNDECIDABLE, CIPHERTEXT, UNSUPPORTED; INTERRUPTED when the signal was aborted */
export async function map(
  request: MapRequest,
  observer: DumpObserver,
  signal: AbortSignal,
  artist: Artist,
): Promise<MapReport> {
  for (const { path } of request.outputs) refuseInputAsOutput(request, path);
  refuseSameOutputs(request.outputs.map(({ path }) => path));
  const targets = request.outputs.map(({ path, format }) => ({
    format,
    file: openTarget(path, request.overwrite),
  }));
  try {
    const thorough = { absentToo: true, zeros: !request.quick };
    return await withClassified(request, observer, signal, thorough, async (dump) => {
      const picture = await paint(
        dump,
        targets.some(({ format }) => format === 'html'),
      );
      const shown = targets.length === 0 ? await artist.show(picture) : undefined;
      const outputs = targets.map(({ format, file }) => {
        const bytes = artist.draw[format](picture);
        writeFully(file.path, file.fd, bytes, 0);
        file.seal();
        return { format, path: file.path, sizeBytes: bytes.length };
      });
      const { input, totalPages, kinds, zerosLookedFor, census, shifts } = picture;
      const finestPages =
        picture.packed.length === 0
          ? undefined
          : 2 ** shifts.reduce((most, shift) => Math.max(most, shift), 0);
      return { input, totalPages, kinds, zerosLookedFor, census, outputs, picture: shown, finestPages };
    });
  } catch (error) {
    for (const { file } of targets) if (file.isOpen) file.discard();
    throw error;
  }
}

/** `finely`: with the runs of each window. */
async function paint(dump: ClassifiedDump, finely: boolean): Promise<Picture> {
  const { input, team, classified, zeros, look } = dump;
  const { plan } = input;
  const taken = await takeCensus(input, team, 'sums', look);
  look();
  const { meaning } = taken?.census ?? { meaning: 'none' };
  const frames = meaning === 'none' ? undefined : taken!.census.frames;
  const tiles = tilesOf(plan);
  const runs = finely ? packedRuns(plan.starts.length, MOST_PACKED_BYTES) : undefined;
  const task: FramesTask = {
    phase: 'frames',
    carries: classified.carries,
    encrypted: meaning === 'encrypted' ? frames?.encrypted : undefined,
    shared: frames?.shared,
    owners: undefined,
    zones: { spans: [], flagsShift: undefined },
    tiles: { ...tiles, runs },
  };
  const counts = sumCounts(await team.frames(task, plan.totalPages));
  look();
  if (runs !== undefined) await takeSteps(fitRuns(runs, plan.windowPages, MOST_PACKED_BYTES), look);
  const { encryptedPages, sharedPages } = sharedOf(counts);
  return {
    input: input.report,
    totalPages: plan.totalPages,
    kinds: kindsOf(counts),
    zerosLookedFor: zeros !== undefined,
    census: meaning === 'none' ? undefined : { meaning, encryptedPages, sharedPages },
    starts: plan.starts,
    windowPages: plan.windowPages,
    end: plan.maxMapnr,
    tileShift: tiles.tileShift,
    tilesPerWindow: tiles.tilesPerWindow,
    tiles: tiles.tiles,
    packed: runs === undefined ? [] : Array.from(plan.starts, (_, index) => runsOfWindow(runs, index)),
    shifts: runs?.shifts ?? new Uint8Array(0),
  };
}

function tilesOf({ starts, windowPages }: Plan): Omit<TileRequest, 'runs'> {
  const windows = starts.length;
  const tileShift = Math.min(
    Math.log2(windowPages),
    Math.max(0, Math.ceil(Math.log2((windows * windowPages) / MOST_TILES))),
  );
  const tilesPerWindow = windowPages / 2 ** tileShift;
  return {
    tileShift,
    tilesPerWindow,
    tiles: new Uint8Array(new SharedArrayBuffer(windows * tilesPerWindow * 2)),
  };
}

function sharedOf(counts: Float64Array): { encryptedPages: number; sharedPages: number } {
  const sum = (flag: number) =>
    counts.reduce((total, pages, code) => total + (((code % FRAME_CODES) & flag) === 0 ? 0 : pages), 0);
  return { encryptedPages: sum(FrameFlag.encrypted), sharedPages: sum(FrameFlag.shared) };
}

/** Of the tile that a page frame lies in: its two bytes; undefined where there is no memory near it. */
export function tileAt(
  { starts, windowPages, tileShift, tilesPerWindow, tiles }: Picture,
  pfn: number,
): readonly [code: number, share: number] | undefined {
  const index = windowOf({ starts, windowPages } as Plan, pfn);
  const start = starts[index];
  if (start === undefined || pfn < start || pfn >= start + windowPages) return undefined;
  const at = (index * tilesPerWindow + Math.floor((pfn - start) / 2 ** tileShift)) * 2;
  return [tiles[at]!, tiles[at + 1]!];
}
