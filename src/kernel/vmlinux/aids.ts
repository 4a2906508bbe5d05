/** What a vmlinux has in place of what a dump lacks: all symbols, and where the members of structures are. */

import type { Arch } from '../../arch/arch.ts';
import type { ElfSections } from '../../read/debug/elf-sections.ts';
import { Turns } from '../../read/debug/turns.ts';
import { Btf, MAX_BTF_BYTES } from '../view/btf.ts';
import type { Layouts } from '../view/layouts.ts';
import { type KernelSymbol, SymbolTable } from '../view/symbol-table.ts';
import type { Vmcoreinfo } from '../vmcoreinfo.ts';
import { ENUMERATORS } from './keys.ts';
import { DwarfLayouts, STRUCTURES } from './structures.ts';
import { type Look, Vmlinux } from './vmlinux.ts';

const SHT_SYMTAB = 2;
/** Source: elf.h, Elf64_Sym: st_name, st_info, st_other, st_shndx, st_value, st_size. */
const SYM_BYTES = 24;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;
const STB_LOCAL = 0;
/** STT_NOTYPE, STT_OBJECT and STT_FUNC; sections and files are no symbols here. */
const MAX_STT = 2;
const STT_FUNC = 2;
const MAX_SYMBOLS = 4_000_000;
const MAX_STRINGS_BYTES = 256 * 1024 * 1024;
const SYMBOLS_A_TURN = 65_536;

/** To be closed when nobody asks any more. */
export interface Aids {
  readonly symbols: SymbolTable | undefined;
  readonly layouts: Layouts | undefined;
  close(): void;
}

/** `info`: what the dump says; its `_stext` tells where KASLR put the kernel. @throws SmeltError */
export async function aidsOf(path: string, info: Vmcoreinfo, arch: Arch, look: Look): Promise<Aids> {
  const vmlinux = await Vmlinux.open(path, look);
  try {
    return {
      symbols: await symbolsOf(vmlinux.elf, info, arch, look),
      layouts: (await btfOf(vmlinux.elf, look)) ?? (await dwarfOf(vmlinux, look)),
      close: () => vmlinux.close(),
    };
  } catch (error) {
    vmlinux.close();
    throw error;
  }
}

async function btfOf(elf: ElfSections, look: Look): Promise<Btf | undefined> {
  const section = elf.find('.BTF');
  if (section === undefined || section.sizeBytes > MAX_BTF_BYTES) return undefined;
  const bytes = await elf.bytes(section, look);
  return Btf.parse(bytes.read(0, bytes.sizeBytes), elf.path);
}

async function dwarfOf(vmlinux: Vmlinux, look: Look): Promise<Layouts> {
  const found = await vmlinux.find(
    {
      structures: STRUCTURES,
      typedefs: STRUCTURES,
      enumerations: [...ENUMERATORS.map(([enumeration]) => enumeration), 'node_stat_item'],
    },
    look,
  );
  return new DwarfLayouts(vmlinux.path, vmlinux.types, found);
}

async function symbolsOf(
  elf: ElfSections,
  info: Vmcoreinfo,
  arch: Arch,
  look: Look,
): Promise<SymbolTable | undefined> {
  const table = elf.sections.find(({ type }) => type === SHT_SYMTAB);
  const strings = table && elf.sections[table.link];
  if (table === undefined || strings === undefined || strings.sizeBytes > MAX_STRINGS_BYTES) return undefined;
  const stringBytes = await elf.bytes(strings, look);
  const names = stringBytes.read(0, stringBytes.sizeBytes);
  const tableBytes = await elf.bytes(table, look);
  const count = Math.min(MAX_SYMBOLS, Math.floor(tableBytes.sizeBytes / SYM_BYTES));
  const turns = new Turns(look);
  const found: KernelSymbol[] = [];
  for (let from = 0; from < count; from += SYMBOLS_A_TURN) {
    const bytes = tableBytes.read(from * SYM_BYTES, Math.min(SYMBOLS_A_TURN, count - from) * SYM_BYTES);
    for (let at = 0; at + SYM_BYTES <= bytes.length; at += SYM_BYTES) {
      const symbol = symbolAt(bytes, at, names);
      if (symbol !== undefined) found.push(symbol);
    }
    await turns.take();
  }
  const [here, there] = [info.symbol('_stext'), found.find(({ name }) => name === '_stext')?.vaddr];
  const by = here === undefined || there === undefined ? 0n : here - there;
  const { image } = arch.imageRegions(info);
  return SymbolTable.of(
    found.map((symbol) =>
      symbol.vaddr >= image.start && symbol.vaddr < image.end
        ? { ...symbol, vaddr: symbol.vaddr + by }
        : symbol,
    ),
  );
}

function symbolAt(bytes: Buffer, at: number, names: Buffer): KernelSymbol | undefined {
  const nameAt = bytes.readUInt32LE(at);
  const info = bytes[at + 4]!;
  const section = bytes.readUInt16LE(at + 6);
  const end = names.indexOf(0, nameAt);
  if (nameAt === 0 || section === SHN_UNDEF || (info & 0xf) > MAX_STT || end < 0) return undefined;
  const letter = section === SHN_ABS ? 'a' : (info & 0xf) === STT_FUNC ? 't' : 'd';
  const type = info >> 4 === STB_LOCAL ? letter : letter.toUpperCase();
  return { name: names.toString('latin1', nameAt, end), vaddr: bytes.readBigUInt64LE(at + 8), type };
}
