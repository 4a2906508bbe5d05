/** `smelt symbols` */

import type { SymbolReport, SymbolsReport, SymbolsRequest } from '../../inspect/symbols.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import { printable } from '../text.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { type Look, type LookArgs, runLook } from './look.ts';
import { readAddress } from './where.ts';

export const runSymbols = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('symbols'), tokens, display, host);

const look: Look<SymbolsRequest, 'symbols'> = {
  name: 'symbols',
  parse,
  run: (looks, request, observer, signal, pass) =>
    looks.symbols(request, observer, signal, (symbols) => pass(symbols.map(line).join(''))),
  text,
  exitCode: ({ shownSymbols, at }) => (shownSymbols > 0 || at !== undefined ? 0 : 1),
};

function parse({ operands, request, values }: LookArgs): SymbolsRequest {
  return { ...request, what: wanted(operands), withSymbols: values.json ?? false };
}

function wanted([what]: readonly string[]): SymbolsRequest['what'] {
  if (what === undefined) return { kind: 'all' };
  const vaddr = readAddress(what);
  if (vaddr !== undefined) return { kind: 'address', vaddr };
  return /[*?]/.test(what) ? { kind: 'pattern', pattern: what } : { kind: 'name', name: what };
}

/** As /proc/kallsyms has it. */
function line({ vaddr, type, name, module }: SymbolReport): string {
  return `${hex(vaddr)} ${type} ${printable(name)}${ofModule(module)}\n`;
}

function text({ shownSymbols, at, total }: SymbolsReport): string[] | undefined {
  if (at !== undefined) {
    const offset = at.offset === 0 ? '' : `+0x${at.offset.toString(16)}`;
    return [`${hex(at.vaddr)} ${printable(at.name)}${offset}${ofModule(at.module)}`];
  }
  return shownSymbols > 0 ? undefined : [`none of the kernel's ${total.toLocaleString('en')} symbols`];
}

function hex(vaddr: bigint): string {
  return vaddr.toString(16).padStart(16, '0');
}

function ofModule(module: string | undefined): string {
  return module === undefined ? '' : ` [${printable(module)}]`;
}
