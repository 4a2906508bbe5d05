/** Symbols of modules, from the table that each carries (struct mod_kallsyms). */

import { count } from '../../units.ts';
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

/** One of the parts of memory that a module has. */
interface Part {
  readonly module: Module;
  readonly vaddr: bigint;
  readonly end: bigint;
}

interface Table {
  readonly strings: bigint;
  readonly entries: readonly Entry[];
}

interface Entry {
  readonly nameAt: number;
  readonly vaddr: bigint;
  readonly type: string;
}

export class ModuleSymbols {
  private readonly view: KernelView;
  private readonly modules: readonly Module[];
  /** By their addresses. */
  private parts: readonly Part[] | undefined;
  private left = MAX_SYMBOLS_OF_ALL;
  private readonly tables = new Map<Module, Table | undefined>();
  /** Modules of which not all could be read that was asked for. */
  private readonly unread = new Set<Module>();

  constructor(view: KernelView, modules: readonly Module[]) {
    this.view = view;
    this.modules = modules;
  }

  /** What was asked for and not found, in a sentence; with what is amiss about the list of modules. */
  get gaps(): string[] {
    const list = this.view.modules;
    if (list === undefined)
      return this.view.symbols?.find('modules').length
        ? ['the symbols of modules are not known: nothing says how modules are laid out']
        : [];
    const [first] = this.unread;
    if (first === undefined) return [...list.gaps];
    const others = this.unread.size - 1;
    const whose =
      others === 0
        ? first.name
        : `${first.name} and ${count(others)} more ${others === 1 ? 'module' : 'modules'}`;
    return [
      ...list.gaps,
      `the symbols of ${whose} are not all known: their table is damaged or not in the dump`,
    ];
  }

  /** The module that an address lies in. */
  moduleAt(vaddr: bigint): Module | undefined {
    return this.partAt(vaddr)?.module;
  }

  /** The last symbol at or below an address, in the same part of the module. */
  at(vaddr: bigint): (Place & { readonly module: string }) | undefined {
    const part = this.partAt(vaddr);
    const table = part && this.table(part.module);
    if (part === undefined || table === undefined) return undefined;
    const { entries } = table;
    const behind = lastAtOrBelow(entries, vaddr) + 1;
    const last = entries[behind - 1];
    if (last === undefined || last.vaddr < part.vaddr) return undefined;
    const best = entries[lastAtOrBelow(entries, last.vaddr - 1n) + 1]!;
    const next = entries[behind]?.vaddr;
    const end = next !== undefined && next < part.end ? next : part.end;
    return {
      name: this.name(part.module, table.strings, best),
      vaddr: best.vaddr,
      offset: Number(vaddr - best.vaddr),
      sizeBytes: Number(end - best.vaddr),
      module: part.module.name,
    };
  }

  private partAt(vaddr: bigint): Part | undefined {
    this.parts ??= this.modules
      .flatMap((module) =>
        module.memory.map(({ vaddr: start, sizeBytes }) => ({
          module,
          vaddr: start,
          end: start + BigInt(sizeBytes),
        })),
      )
      .sort(byAddress);
    const part = this.parts[lastAtOrBelow(this.parts, vaddr)];
    return part !== undefined && vaddr < part.end ? part : undefined;
  }

  /** All of a module, in the order of their addresses. */
  *of(module: Module): Generator<ModuleSymbol> {
    const table = this.table(module);
    for (const entry of table?.entries ?? []) {
      const { vaddr, type } = entry;
      yield { name: this.name(module, table!.strings, entry), vaddr, type, module: module.name };
    }
  }

  private name(module: Module, strings: bigint, { nameAt }: Entry): string {
    const name = this.view.text(strings + BigInt(nameAt), MAX_NAME_BYTES);
    if (name === undefined) this.unread.add(module);
    return name ?? '';
  }

  private table(module: Module) {
    if (!this.tables.has(module)) {
      const table = this.readTable(module);
      if (table === undefined) this.unread.add(module);
      this.tables.set(module, table);
    }
    return this.tables.get(module);
  }

  /** Undefined where it cannot be read, or makes no sense. */
  private readTable(module: Module): Table | undefined {
    const { view } = this;
    const at = view.struct(module.vaddr, 'module')?.unsigned('kallsyms');
    // It is being loaded, or was never complete.
    if (at === 0n) return { strings: 0n, entries: [] };
    const kallsyms = at === undefined ? undefined : view.struct(at, 'mod_kallsyms');
    const symtab = kallsyms?.unsigned('symtab');
    const strings = kallsyms?.unsigned('strtab');
    const size = kallsyms?.number('num_symtab');
    if (symtab === undefined || strings === undefined || size === undefined) return undefined;
    if (size > Math.min(MAX_SYMBOLS, this.left)) return undefined;
    this.left -= size;
    const bytes = view.walker.read(symtab, size * SYM_BYTES);
    if (bytes === undefined) return undefined;
    // Linux commit 1c7651f43777 ("kallsyms: store type information in its own array"), v5.2.
    const typesAt = kallsyms?.unsigned('typetab');
    const types = typesAt === undefined ? undefined : view.walker.read(typesAt, size);
    // Names and addresses are there without.
    if (typesAt !== undefined && types === undefined) this.unread.add(module);
    const entries: Entry[] = [];
    for (let i = 0; i < size; i++) {
      const from = i * SYM_BYTES;
      const nameAt = bytes.readUInt32LE(from);
      const isDefined = bytes.readUInt16LE(from + 6) !== SHN_UNDEF;
      // Marks for data within text, which kallsyms leaves out too.
      if (!isDefined || nameAt === 0) continue;
      const type = types === undefined ? bytes.readUInt8(from + 4) : types[i]!;
      entries.push({ nameAt, vaddr: bytes.readBigUInt64LE(from + 8), type: letter(type) });
    }
    return { strings, entries: entries.sort(byAddress) };
  }
}

function byAddress(a: { readonly vaddr: bigint }, b: { readonly vaddr: bigint }): number {
  return a.vaddr < b.vaddr ? -1 : a.vaddr > b.vaddr ? 1 : 0;
}

/** Index of the last of those that are sorted by their addresses; -1: all are above. */
function lastAtOrBelow(sorted: readonly { readonly vaddr: bigint }[], vaddr: bigint): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]!.vaddr <= vaddr) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function letter(code: number): string {
  const text = String.fromCharCode(code);
  return /[A-Za-z]/.test(text) ? text : '?';
}
