/** `smelt symbols` */

import type { SymbolsReport, SymbolsRequest } from '../../inspect/symbols.ts';
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
  run: (looks, request, observer, signal) => looks.symbols(request, observer, signal),
  text,
  exitCode: ({ symbols, at }) => (symbols.length > 0 || at !== undefined ? 0 : 1),
};

function parse({ operands, request }: LookArgs): SymbolsRequest {
  const [what] = operands;
  if (what === undefined) return { ...request, what: { kind: 'all' } };
  const vaddr = readAddress(what);
  if (vaddr !== undefined) return { ...request, what: { kind: 'address', vaddr } };
  const behind = /^([^+]+)\+(0x[0-9a-f]{1,10}|\d{1,12})$/i.exec(what);
  if (behind !== null)
    return { ...request, what: { kind: 'name', name: behind[1]!, offset: Number(behind[2]) } };
  return {
    ...request,
    what: /[*?]/.test(what) ? { kind: 'pattern', pattern: what } : { kind: 'name', name: what },
  };
}

/** Lines as /proc/kallsyms has them. */
function text({ symbols, at, total, offset }: SymbolsReport): string[] {
  const hex = (vaddr: bigint) => vaddr.toString(16).padStart(16, '0');
  if (at !== undefined) {
    const offset = at.offset === 0 ? '' : `+0x${at.offset.toString(16)}`;
    return [`${hex(at.vaddr)} ${printable(at.name)}${offset}${ofModule(at.module)}`];
  }
  if (symbols.length === 0) return [`none of the kernel's ${total.toLocaleString('en')} symbols`];
  if (offset !== undefined)
    return symbols.map(
      ({ vaddr, name, module }) =>
        `${hex(BigInt.asUintN(64, vaddr + BigInt(offset)))} ${printable(name)}+0x${offset.toString(16)}${ofModule(module)}`,
    );
  return symbols.map(
    ({ vaddr, type, name, module }) => `${hex(vaddr)} ${type} ${printable(name)}${ofModule(module)}`,
  );
}

function ofModule(module: string | undefined): string {
  return module === undefined ? '' : ` [${printable(module)}]`;
}
