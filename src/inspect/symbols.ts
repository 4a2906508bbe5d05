/** `smelt symbols`: the kernel's symbols by name, or what is at an address. */

import { setImmediate as breathe } from 'node:timers/promises';
import type { Place } from '../kernel/view/symbol-table.ts';
import type { SymbolsFrom } from '../kernel/view/view.ts';
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
  readonly symbols: readonly SymbolReport[];
  /** The address that was asked for is so far behind each of these; undefined: none was asked for by name. */
  readonly offset: number | undefined;
  /** What is at the address that was asked for. */
  readonly at: (Place & { readonly module: string | undefined }) | undefined;
}

const SYMBOLS_A_BREATH = 50_000;

/** @throws SmeltError NO_SYMBOLS, UNDECIDABLE; INTERRUPTED when the signal was aborted */
export function symbols(
  request: SymbolsRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<SymbolsReport> {
  const began = performance.now();
  return withKernel(request, observer, signal, async ({ file, description, view }) => {
    if (view === undefined) throw noTables(file.path);
    const table = view.symbols;
    if (table === undefined) throw noSymbols(file.path);
    const { what } = request;
    const fits =
      what.kind === 'pattern'
        ? matcher(what.pattern)
        : (name: string) => what.kind === 'all' || (what.kind === 'name' && name === what.name);
    const found: SymbolReport[] = [];
    if (what.kind === 'name')
      found.push(...table.named(what.name).map((symbol) => ({ ...symbol, module: undefined })));
    else if (what.kind !== 'address') {
      for (let i = 0; i < table.count; i++) {
        const symbol = table.symbol(i);
        if (fits(symbol.name)) found.push({ ...symbol, module: undefined });
        if (i % SYMBOLS_A_BREATH !== 0) continue;
        await breathe();
        stopIfAborted(signal);
      }
    }
    if (what.kind !== 'address') {
      for (const module of view.modules?.modules ?? []) {
        for (const symbol of view.moduleSymbols.of(module)) if (fits(symbol.name)) found.push(symbol);
        await breathe();
        stopIfAborted(signal);
      }
    }
    const place = what.kind === 'address' ? view.placeOf(what.vaddr) : undefined;
    return {
      input: inputReport(file, request, description),
      total: table.count,
      symbolsFrom: view.symbolsFrom,
      symbols: found,
      offset: what.kind === 'name' ? what.offset : undefined,
      at: place && { ...place, module: place.module },
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: searchedNote(view),
    };
  });
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
