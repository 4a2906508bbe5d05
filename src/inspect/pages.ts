/** `smelt pages`: what fills the memory, by kind, by zone, by the size of its blocks, and by owner. */

import { setImmediate as breathe } from 'node:timers/promises';
import type { OwnerOffsets } from '../filter/frame-details.ts';
import {
  FRAME_CODES,
  FrameFlag,
  KIND_BITS,
  KindIndex,
  MEMORY_KINDS,
  type MemoryKind,
} from '../filter/frame-kind.ts';
import { OwnerTally, type OwnerTallyData, pointerOf } from '../filter/owner-tally.ts';
import { type MemoryCounters, memoryCounters } from '../kernel/memory/counters.ts';
import {
  type CachedFile,
  fileAt,
  type SlabCache,
  slabCacheAt,
  slabCacheOffset,
} from '../kernel/memory/owners.ts';
import { listZones, type Zone, zoneBits } from '../kernel/memory/zones.ts';
import type { KernelView } from '../kernel/view/view.ts';
import { type ClassifiedRequest, withClassified } from '../workers/classified.ts';
import type { FramesResult } from '../workers/frames-phase.ts';
import type { DumpObserver, InputReport, TeamReport } from '../workers/report.ts';
import type { Zones } from '../workers/zone-counts.ts';
import { viewOf } from './looking.ts';
import { type ProcessesReport, topProcesses } from './pages/processes.ts';

const OWNERS_A_BREATH = 64;

export interface PagesRequest extends ClassifiedRequest {
  /** How many owners are named of each sort; undefined: none. */
  readonly top: number | undefined;
  /** Pages of zeros are not looked for: of the memory little more than struct pages is read. */
  readonly quick: boolean;
}

/** Page frames of a kind, and those of them that the input has no bytes of. */
export interface Counted {
  readonly pages: number;
  readonly absentPages: number;
}
export type ByKind = Readonly<Record<MemoryKind, Counted>>;

export interface ZoneReport extends Zone {
  /** Page frames that the input describes. */
  readonly pages: number;
  readonly kinds: ByKind;
}

export interface OwnerReport<Named> {
  /** The largest first. */
  readonly top: readonly (Named & { readonly vaddr: bigint; readonly pages: number })[];
  /** How many owners there are, and the pages of all of them. */
  readonly owners: number;
  readonly pages: number;
  /** Pages of owners that were too many to be held: who is named may have more. */
  readonly forgottenPages: number;
}

export interface OrderReport {
  readonly order: number;
  readonly freeBlocks: number;
  /** What the kernel counts in its lists; undefined where it cannot be read. */
  readonly kernelFreeBlocks: number | undefined;
  /** Compound pages of any kind. */
  readonly compoundPages: number;
}

export interface PagesReport extends TeamReport {
  readonly input: InputReport;
  /** Page frames that the input describes: the kinds add up to them. */
  readonly totalPages: number;
  readonly kinds: ByKind;
  readonly zerosLookedFor: boolean;
  /** Of those that would stay: they could not be read, and may be pages of zeros. */
  readonly missingPages: number;
  readonly kernelFreePages: number | undefined;
  readonly counters: MemoryCounters | undefined;
  /** Undefined where the kernel's zones cannot be read. */
  readonly zones: readonly ZoneReport[] | undefined;
  /** Page frames that lie in no zone. */
  readonly outsideZones: number;
  readonly orders: readonly OrderReport[];
  /** Undefined where nobody asked, or where they cannot be told, and then why. */
  readonly slabCaches: OwnerReport<SlabCache> | undefined;
  readonly files: OwnerReport<CachedFile> | undefined;
  /** By the processes' own counters. */
  readonly processes: ProcessesReport | undefined;
  readonly noOwners: string | undefined;
}

/** @throws SmeltError UNDECIDABLE, CIPHERTEXT, UNSUPPORTED; INTERRUPTED when the signal was aborted */
export function pages(
  request: PagesRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<PagesReport> {
  const thorough = { absentToo: true, zeros: !request.quick };
  return withClassified(request, observer, signal, thorough, async (dump) => {
    const { input, team, classified, zeros, look, warn } = dump;
    const { plan, description, file } = input;
    const view = viewOf({ file, reader: team.thread.reader, description });
    const zones = view && listZones(view);
    const owners = request.top === undefined ? undefined : ownerOffsets(view);
    const results = await team.frames(
      {
        phase: 'frames',
        carries: classified.carries,
        encrypted: undefined,
        shared: undefined,
        zones: zonesOf(view, zones ?? []),
        owners,
        tiles: undefined,
      },
      plan.totalPages,
    );
    look();
    const counts = sumCounts(results);
    const ofZone = (index: number) =>
      kindsOf(counts.subarray(index * FRAME_CODES, (index + 1) * FRAME_CODES));
    const outside = ofZone(zones?.length ?? 0);
    const name = <T>(which: 'slabCaches' | 'files', at: (view: KernelView, vaddr: bigint) => T | undefined) =>
      owners &&
      view &&
      named(
        view,
        results.map(({ details }) => details?.[which]),
        request.top!,
        look,
        at,
      );
    return {
      input: input.report,
      totalPages: plan.totalPages,
      kinds: sumKinds(Array.from({ length: (zones?.length ?? 0) + 1 }, (_, index) => ofZone(index))),
      zerosLookedFor: zeros !== undefined,
      missingPages: zeros?.missingPages ?? 0,
      kernelFreePages: description.machine.kernelFreePages,
      counters: view && memoryCounters(view),
      zones: zones?.map((zone, index) => {
        const kinds = ofZone(index);
        return { ...zone, pages: sumOf(kinds), kinds };
      }),
      outsideZones: sumOf(outside),
      orders: ordersOf(results, zones),
      slabCaches: await name('slabCaches', slabCacheAt),
      files: await name('files', fileAt),
      processes: owners && view && (await topProcesses(view, request.top!, look, warn)),
      noOwners:
        request.top === undefined || owners !== undefined
          ? undefined
          : 'the kernel says nowhere how its structures are laid out (BTF)',
    };
  });
}

function zonesOf(view: KernelView | undefined, zones: readonly Zone[]): Zones {
  const bits = view && zoneBits(view);
  const spans = zones.map((zone) => ({
    pfn: zone.startPfn,
    end: zone.startPfn + zone.spannedPages,
    key: bits?.keyOf(zone) ?? 0,
  }));
  return { spans, flagsShift: bits?.shift };
}

function ownerOffsets(view: KernelView | undefined): OwnerOffsets | undefined {
  return view?.layouts === undefined ? undefined : { slabCache: slabCacheOffset(view) };
}

export function sumCounts(results: readonly FramesResult[]): Float64Array {
  const sums = new Float64Array(results[0]?.counts.length ?? FRAME_CODES);
  for (const { counts } of results) for (const [i, pages] of counts.entries()) sums[i]! += pages;
  return sums;
}

/** `counts`: by the byte of FRAME_CODES. */
export function kindsOf(counts: Float64Array): ByKind {
  const of = (kind: MemoryKind): Counted => {
    let pages = 0;
    let absentPages = 0;
    for (const [code, some] of counts.entries()) {
      if ((code & KIND_BITS) !== KindIndex[kind]) continue;
      pages += some;
      if ((code & FrameFlag.absent) !== 0) absentPages += some;
    }
    return { pages, absentPages };
  };
  return Object.fromEntries(MEMORY_KINDS.map((kind) => [kind, of(kind)])) as ByKind;
}

function sumKinds(all: readonly ByKind[]): ByKind {
  const sum = (kind: MemoryKind, field: keyof Counted) =>
    all.reduce((total, kinds) => total + kinds[kind][field], 0);
  return Object.fromEntries(
    MEMORY_KINDS.map((kind) => [kind, { pages: sum(kind, 'pages'), absentPages: sum(kind, 'absentPages') }]),
  ) as ByKind;
}

function sumOf(kinds: ByKind): number {
  return MEMORY_KINDS.reduce((total, kind) => total + kinds[kind].pages, 0);
}

/** Up to the highest that there is something of. */
function ordersOf(results: readonly FramesResult[], zones: readonly Zone[] | undefined): OrderReport[] {
  const sum = (which: 'freeBlocks' | 'compounds', order: number) =>
    results.reduce((total, { details }) => total + (details?.[which][order] ?? 0), 0);
  const known = zones?.every(({ freeBlocks }) => freeBlocks !== undefined);
  const orders = Array.from({ length: results[0]?.details?.compounds.length ?? 0 }, (_, order) => ({
    order,
    freeBlocks: sum('freeBlocks', order),
    kernelFreeBlocks: known
      ? zones?.reduce((total, { freeBlocks }) => total + (freeBlocks![order] ?? 0), 0)
      : undefined,
    compoundPages: sum('compounds', order),
  }));
  const last = orders.findLastIndex(
    ({ freeBlocks, kernelFreeBlocks = 0, compoundPages }) =>
      freeBlocks + kernelFreeBlocks + compoundPages > 0,
  );
  return orders.slice(0, last + 1);
}

async function named<T>(
  view: KernelView,
  parts: readonly (OwnerTallyData | undefined)[],
  top: number,
  look: () => void,
  at: (view: KernelView, vaddr: bigint) => T | undefined,
): Promise<OwnerReport<T>> {
  const tally = new OwnerTally();
  for (const part of parts) if (part !== undefined) tally.addAll(part);
  const { owners, forgotten } = tally.data;
  const largest = owners.toSorted(([key, a], [other, b]) => b - a || key - other);
  const told: (T & { vaddr: bigint; pages: number })[] = [];
  for (const [key, pages] of largest.slice(0, top)) {
    if (told.length % OWNERS_A_BREATH === 0) {
      await breathe();
      look();
    }
    const vaddr = pointerOf(key);
    const owner = at(view, vaddr);
    told.push({ ...(owner as T), vaddr, pages });
  }
  return {
    top: told,
    owners: owners.length,
    pages: owners.reduce((sum, [, pages]) => sum + pages, 0),
    forgottenPages: forgotten,
  };
}
