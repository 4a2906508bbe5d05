/** The tables of scripts/kallsyms.c, one behind the other as kernels before v6.4 have them: every character is a token of its own. */

import type { KallsymsLocation } from '../../src/kernel/kallsyms.ts';
import type { KernelSymbol } from '../../src/kernel/view/symbol-table.ts';

export interface BuiltKallsyms {
  readonly bytes: Buffer;
  /** Where each table is when `bytes` lie at the address they were made for. */
  readonly location: { readonly [K in keyof KallsymsLocation]-?: bigint };
}

/** `symbols` in the order of their addresses; `vaddr` is a multiple of 8. */
export function buildKallsyms(
  symbols: readonly KernelSymbol[],
  vaddr: bigint,
  base: bigint,
  markerBytes: 4 | 8 = 4,
): BuiltKallsyms {
  const pieces: Buffer[] = [];
  let length = 0;
  const add = (bytes: Buffer) => {
    const at = vaddr + BigInt(length);
    const padded = Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
    pieces.push(padded);
    length += padded.length;
    return at;
  };
  const u32s = (values: readonly number[]) => Buffer.from(Uint32Array.from(values).buffer);
  const offsets = add(u32s(symbols.map((symbol) => Number(symbol.vaddr - base))));
  const baseBytes = Buffer.alloc(8);
  baseBytes.writeBigUInt64LE(base);
  const relativeBase = add(baseBytes);
  const numSyms = add(u32s([symbols.length]));
  const markers: number[] = [];
  let namesBytes = 0;
  const names = symbols.map(({ type, name }, i) => {
    if (i % 256 === 0) markers.push(namesBytes);
    const text = Buffer.from(type + name, 'latin1');
    const head = text.length < 128 ? [text.length] : [(text.length & 0x7f) | 0x80, text.length >> 7];
    const entry = Buffer.concat([Buffer.from(head), text]);
    namesBytes += entry.length;
    return entry;
  });
  const namesAt = add(Buffer.concat(names));
  add(u32s(markerBytes === 4 ? markers : markers.flatMap((marker) => [marker, 0])));
  const tokens = Array.from({ length: 256 }, (_, code) => (code === 0 ? '' : String.fromCharCode(code)));
  const tokenTable = add(Buffer.from(tokens.map((token) => `${token}\0`).join(''), 'latin1'));
  const index: number[] = [];
  let start = 0;
  for (const token of tokens) {
    index.push(start);
    start += token.length + 1;
  }
  const tokenIndex = add(Buffer.from(Uint16Array.from(index).buffer));
  return {
    bytes: Buffer.concat(pieces),
    location: {
      kallsyms_offsets: offsets,
      kallsyms_relative_base: relativeBase,
      kallsyms_num_syms: numSyms,
      kallsyms_names: namesAt,
      kallsyms_token_table: tokenTable,
      kallsyms_token_index: tokenIndex,
    },
  };
}
