/** `smelt symbols`: the kernel's symbols by name, or what is at an address. */

import { setImmediate as breathe } from 'node:timers/promises';
import type { KernelSymbol, Place, SymbolTable } from '../kernel/view/symbol-table.ts';
import type { KernelView, SymbolsFrom } from '../kernel/view/view.ts';
import { count, memory } from '../units.ts';
import { inputReport, stopIfAborted } from '../workers/input.ts';
import type { DumpObserver, InputReport, InputRequest, RunReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { noSymbols, noTables, searchedNote } from './address.ts';
import { withKernel } from './looking.ts';

export interface SymbolsRequest extends InputRequest {
  readonly what:
    | { readonly kind: 'all' }
    | { readonly kind: 'name'; readonly name: string /** Behind it. */; readonly offset?: number }
    | { readonly kind: 'pattern'; readonly pattern: string }
    | { readonly kind: 'address'; readonly vaddr: bigint };
  /** Whether the report has the symbols: `take` does without them else. */
  readonly withSymbols: boolean;
}

export interface SymbolReport {
  readonly name: string;
  readonly vaddr: bigint;
  readonly type: string;
  /** Undefined: the kernel's own. */
  readonly module: string | undefined;
}

export interface SymbolsReport extends RunReport {
  readonly input: InputReport;
  /** Of the kernel's table. */
  readonly total: number;
  readonly symbolsFrom: SymbolsFrom | undefined;
  /** How many were found. */
  readonly shownSymbols: number;
  /** In the order of their addresses, the kernel's own first; empty where `take` had them. */
  readonly symbols: readonly SymbolReport[];
  /** The address that was asked for is so far behind each of these; undefined: none was asked for by name. */
  readonly offset: number | undefined;
  /** What is at the address that was asked for. */
  readonly at: (Place & { readonly module: string | undefined }) | undefined;
}

/** Looked at between two looks at the signal, and handed on together. */
const SYMBOLS_A_PIECE = 4096;
/** Of all that is shown, with what stands beside each name: the largest kernels that are known have some twenty million. */
const MAX_CHARACTERS = 128 * 1024 * 1024;
const CHARACTERS_BESIDE = 64;

/** `take` gets all symbols that are wanted, unless the report has them. @throws SmeltError NO_SYMBOLS, UNDECIDABLE; INTERRUPTED when the signal was aborted */
export function symbols(
  request: SymbolsRequest,
  observer: DumpObserver,
  signal: AbortSignal,
  take: (symbols: readonly SymbolReport[]) => Promise<void> = async () => {},
  most = MAX_CHARACTERS,
): Promise<SymbolsReport> {
  const began = performance.now();
  return withKernel(request, observer, signal, async ({ file, description, view }) => {
    if (view === undefined) throw noTables(file.path);
    const table = view.symbols;
    if (table === undefined) throw noSymbols(file.path);
    const { what, withSymbols } = request;
    const fits =
      what.kind === 'pattern'
        ? matcher(what.pattern)
        : (name: string) => what.kind === 'all' || (what.kind === 'name' && name === what.name);
    const named = what.kind === 'name' ? table.named(what.name) : undefined;
    const found: SymbolReport[] = [];
    let piece: SymbolReport[] = [];
    let [shown, looked, left] = [0, 0, most];
    const flush = async () => {
      const full = piece;
      piece = [];
      if (withSymbols) found.push(...full);
      else if (full.length > 0) await take(full);
      await breathe();
      stopIfAborted(signal);
    };
    if (what.kind !== 'address') {
      for (const symbol of candidates(view, table, named?.symbols)) {
        if (symbol !== undefined && fits(symbol.name)) {
          left -= symbol.name.length + CHARACTERS_BESIDE;
          if (left < 0) break;
          piece.push(symbol);
          shown++;
        }
        if (symbol === undefined || ++looked % SYMBOLS_A_PIECE === 0) await flush();
      }
      await flush();
    }
    const place = what.kind === 'address' ? view.placeOf(what.vaddr) : undefined;
    return {
      input: inputReport(file, request, description),
      total: table.count,
      symbolsFrom: view.symbolsFrom,
      shownSymbols: shown,
      symbols: found,
      offset: what.kind === 'name' ? what.offset : undefined,
      at: place && { ...place, module: place.module },
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: [
        ...searchedNote(view),
        ...view.moduleSymbols.gaps,
        ...(named?.more
          ? [`the kernel has more symbols of this name: these are the first ${count(named.symbols.length)}`]
          : []),
        ...(left < 0
          ? [
              `there are more symbols: these are the first ${count(shown)}, of all that is more than ${memory(most)} of text; a pattern shows others`,
            ]
          : []),
      ],
    };
  });
}

/** Of the kernel, which may be told already, and of its modules; undefined: one of these begins. */
function* candidates(
  view: KernelView,
  table: SymbolTable,
  own: readonly KernelSymbol[] | undefined,
): Generator<SymbolReport | undefined> {
  const count = own?.length ?? table.count;
  for (let i = 0; i < count; i++) yield { ...(own?.[i] ?? table.symbol(i)), module: undefined };
  for (const module of view.modules?.modules ?? []) {
    yield undefined;
    yield* view.moduleSymbols.of(module);
  }
}

/** `*` is any text, `?` any character; nothing else is special. Of all stars only the last one is ever tried again, so that no name takes long. */
function matcher(pattern: string): (name: string) => boolean {
  return (name) => {
    let at = 0;
    let star = -1;
    let tried = 0;
    for (let i = 0; i < name.length; ) {
      if (pattern[at] === '*') {
        star = at++;
        tried = i;
      } else if (pattern[at] === '?' || pattern[at] === name[i]) {
        at++;
        i++;
      } else if (star < 0) return false;
      else {
        at = star + 1;
        i = ++tried;
      }
    }
    while (pattern[at] === '*') at++;
    return at === pattern.length;
  };
}
