/** .symtab: addresses of symbols by name. */

import type { ElfSections } from './elf-sections.ts';
import { findStrings } from './strings.ts';
import { Turns } from './turns.ts';

const SHT_SYMTAB = 2;
/** Source: elf.h, Elf64_Sym: st_name, st_info, st_other, st_shndx, st_value, st_size. */
const SYM_BYTES = 24;
const SHN_UNDEF = 0;
const STB_LOCAL = 0;
const PIECE_SYMBOLS = 65536;
/** Local symbols of one name: two are too many already to know which one is meant. */
const MAX_NAMESAKES = 64;

/** What a name stands for: one address where a symbol is global, else the addresses of all local ones. */
export type SymbolAddresses = ReadonlyMap<string, readonly bigint[]>;

/** Undefined where the file has no symbols. */
export async function findSymbols(
  elf: ElfSections,
  names: ReadonlySet<string>,
  look: () => Promise<void>,
): Promise<SymbolAddresses | undefined> {
  const table = elf.sections.find(({ type }) => type === SHT_SYMTAB);
  const strings = table && elf.sections[table.link];
  if (table === undefined || strings === undefined) return undefined;
  const wanted = await findStrings(elf.path, await elf.bytes(strings, look), names, look);
  const symbols = await elf.bytes(table, look);
  const turns = new Turns(look);
  const globals = new Map<string, bigint[]>();
  const locals = new Map<string, bigint[]>();
  for (let at = 0; at < symbols.sizeBytes; at += PIECE_SYMBOLS * SYM_BYTES) {
    const bytes = symbols.read(at, PIECE_SYMBOLS * SYM_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i + SYM_BYTES <= bytes.length; i += SYM_BYTES) {
      const name = wanted.get(view.getUint32(i, elf.littleEndian));
      if (name === undefined || view.getUint16(i + 6, elf.littleEndian) === SHN_UNDEF) continue;
      const value = view.getBigUint64(i + 8, elf.littleEndian);
      const found = view.getUint8(i + 4) >> 4 === STB_LOCAL ? locals : globals;
      const all = found.get(name) ?? [];
      if (all.length < MAX_NAMESAKES && !all.includes(value)) found.set(name, [...all, value]);
    }
    await turns.take();
  }
  return new Map([...locals, ...globals]);
}
