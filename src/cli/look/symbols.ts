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
  run: (looks, request, observer, signal, pass) => {
    const offset = request.what.kind === 'name' ? request.what.offset : undefined;
    return looks.symbols(request, observer, signal, (symbols) =>
      pass(symbols.map((symbol) => line(symbol, offset)).join('')),
    );
  },
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
  const behind = /^([^+]+)\+(0x[0-9a-f]{1,10}|\d{1,12})$/i.exec(what);
  if (behind !== null) return { kind: 'name', name: behind[1]!, offset: Number(behind[2]) };
  return /[*?]/.test(what) ? { kind: 'pattern', pattern: what } : { kind: 'name', name: what };
}

/** As /proc/kallsyms has it; what is behind it, where that was asked for. */
function line({ vaddr, type, name, module }: SymbolReport, offset: number | undefined): string {
  const rest = `${printable(name)}${offset === undefined ? '' : `+0x${offset.toString(16)}`}${ofModule(module)}\n`;
  if (offset === undefined) return `${hex(vaddr)} ${type} ${rest}`;
  return `${hex(BigInt.asUintN(64, vaddr + BigInt(offset)))} ${rest}`;
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
