/** Symbols of modules, from the table that each carries (struct mod_kallsyms). */

import type { KernelSymbol, Place } from '../view/symbol-table.ts';
import type { KernelView } from '../view/view.ts';
import type { Module } from './module-list.ts';

export interface ModuleSymbol extends KernelSymbol {
  readonly module: string;
}

/** Source: elf.h, Elf64_Sym: st_name, st_info, st_other, st_shndx, st_value, st_size. */
const SYM_BYTES = 24;
/** Of one module, and of all that are asked for: the largest have some ten thousand. */
const MAX_SYMBOLS = 200_000;
const MAX_SYMBOLS_OF_ALL = 2_000_000;
const MAX_NAME_BYTES = 512;
const SHN_UNDEF = 0;

interface Entry {
  readonly nameAt: number;
  readonly vaddr: bigint;
  readonly type: string;
}

export class ModuleSymbols {
  private readonly view: KernelView;
  private readonly modules: readonly Module[];
  private left = MAX_SYMBOLS_OF_ALL;
  private readonly tables = new Map<Module, { strings: bigint; entries: readonly Entry[] } | undefined>();

  constructor(view: KernelView, modules: readonly Module[]) {
    this.view = view;
    this.modules = modules;
  }

  /** The module that an address lies in. */
  moduleAt(vaddr: bigint): Module | undefined {
    return this.modules.find(({ memory }) =>
      memory.some((part) => vaddr >= part.vaddr && vaddr < part.vaddr + BigInt(part.sizeBytes)),
    );
  }

  /** The last symbol of a module at or below an address in it. */
  at(vaddr: bigint): (Place & { readonly module: string }) | undefined {
    const module = this.moduleAt(vaddr);
    const table = module && this.table(module);
    if (module === undefined || table === undefined) return undefined;
    let best: Entry | undefined;
    let next: bigint | undefined;
    for (const entry of table.entries) {
      if (entry.vaddr <= vaddr) {
        if (best === undefined || entry.vaddr > best.vaddr) best = entry;
      } else if (next === undefined || entry.vaddr < next) next = entry.vaddr;
    }
    if (best === undefined || this.moduleAt(best.vaddr) !== module) return undefined;
    return {
      name: this.name(table.strings, best),
      vaddr: best.vaddr,
      offset: Number(vaddr - best.vaddr),
      sizeBytes: next === undefined ? undefined : Number(next - best.vaddr),
      module: module.name,
    };
  }

  /** All of a module, in the order of their addresses. */
  of(module: Module): ModuleSymbol[] {
    const table = this.table(module);
    if (table === undefined) return [];
    return table.entries
      .map((entry) => ({
        name: this.name(table.strings, entry),
        vaddr: entry.vaddr,
        type: entry.type,
        module: module.name,
      }))
      .sort((a, b) => (a.vaddr < b.vaddr ? -1 : a.vaddr > b.vaddr ? 1 : 0));
  }

  private name(strings: bigint, { nameAt }: Entry): string {
    return this.view.text(strings + BigInt(nameAt), MAX_NAME_BYTES) ?? '';
  }

  private table(module: Module) {
    if (!this.tables.has(module)) this.tables.set(module, this.readTable(module));
    return this.tables.get(module);
  }

  private readTable({ vaddr }: Module): { strings: bigint; entries: readonly Entry[] } | undefined {
    const { view } = this;
    const at = view.struct(vaddr, 'module')?.unsigned('kallsyms');
    const kallsyms = at === undefined || at === 0n ? undefined : view.struct(at, 'mod_kallsyms');
    const symtab = kallsyms?.unsigned('symtab');
    const strings = kallsyms?.unsigned('strtab');
    const count = kallsyms?.number('num_symtab');
    if (symtab === undefined || strings === undefined || count === undefined) return undefined;
    if (count > Math.min(MAX_SYMBOLS, this.left)) return undefined;
    this.left -= count;
    const bytes = view.walker.read(symtab, count * SYM_BYTES);
    if (bytes === undefined) return undefined;
    // Linux commit 1c7651f43777 ("kallsyms: store type information in its own array"), v5.2.
    const typesAt = kallsyms?.unsigned('typetab');
    const types = typesAt === undefined ? undefined : view.walker.read(typesAt, count);
    const entries: Entry[] = [];
    for (let i = 0; i < count; i++) {
      const from = i * SYM_BYTES;
      const nameAt = bytes.readUInt32LE(from);
      const isDefined = bytes.readUInt16LE(from + 6) !== SHN_UNDEF;
      // Marks for data within text, which kallsyms leaves out too.
      if (!isDefined || nameAt === 0) continue;
      const type = types === undefined ? bytes.readUInt8(from + 4) : types[i]!;
      entries.push({ nameAt, vaddr: bytes.readBigUInt64LE(from + 8), type: letter(type) });
    }
    return { strings, entries };
  }
}

function letter(code: number): string {
  return code > 0x20 && code < 0x7f ? String.fromCharCode(code) : '?';
}
