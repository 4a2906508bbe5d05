/** A kernel as it lies in a dump: its memory by virtual addresses, its symbols, and where the members of its structures are. */

import type { Arch } from '../../arch/arch.ts';
import { CachedMemory } from '../../arch/memory.ts';
import { type PageTables, PageTableWalker } from '../../arch/page-table.ts';
import type { MemoryReader } from '../../read/dump-file.ts';
import { findKallsyms } from '../find-kallsyms.ts';
import type { ReadVirtual } from '../kallsyms.ts';
import { listModules, type ModuleList } from '../modules/module-list.ts';
import { ModuleSymbols } from '../modules/module-symbols.ts';
import { kallsymsLocation, knownSymbols } from '../symbols.ts';
import { textOf } from '../text.ts';
import type { Vmcoreinfo } from '../vmcoreinfo.ts';
import { Btf, MAX_BTF_BYTES } from './btf.ts';
import type { Field, Layouts } from './layouts.ts';
import { type Place, SymbolTable } from './symbol-table.ts';

/** Pages held: stacks, tables and structures are near each other. */
const CACHED_PAGES = 2048;
/** Of one value or string here; what is larger is asked for in pieces. */
const MAX_STRING_BYTES = 4096;
/** Of one structure; BTF that is damaged may claim anything. */
const MAX_STRUCT_BYTES = 64 * 1024;
/** Of a name in one. */
const MAX_TEXT_BYTES = 256;

export interface Kernel {
  readonly arch: Arch;
  readonly info: Vmcoreinfo;
  readonly tables: PageTables;
}

export type SymbolsFrom = 'VMCOREINFO' | 'search' | 'vmlinux';

export interface KernelAids {
  readonly symbols?: SymbolTable | undefined;
  readonly layouts?: Layouts | undefined;
}

/** Reads give undefined where the memory is not mapped or not in the dump. Never throws for what it reads. */
export class KernelView {
  readonly arch: Arch;
  readonly info: Vmcoreinfo;
  readonly tables: PageTables;
  readonly walker: PageTableWalker;
  readonly memory: CachedMemory;
  private readonly lacksZeros: boolean;
  private table: SymbolTable | undefined | null = null;
  private readonly aids: KernelAids;
  private wereSearched = false;
  private known: Layouts | undefined | null = null;
  private moduleList: ModuleList | undefined | null = null;
  private symbolsOfModules: ModuleSymbols | undefined;

  /** `aids`: from elsewhere (a vmlinux), where the kernel's own are missing. */
  constructor(reader: MemoryReader, { arch, info, tables }: Kernel, aids: KernelAids = {}) {
    this.arch = arch;
    this.info = info;
    this.tables = tables;
    this.memory = new CachedMemory(reader, CACHED_PAGES);
    this.lacksZeros = reader.stored === undefined;
    this.walker = new PageTableWalker(this.memory, arch.tableFormat, tables);
    this.aids = aids;
  }

  /** Undefined where the kernel's symbol table cannot be had. Read when it is asked for. */
  get symbols(): SymbolTable | undefined {
    if (this.table === null) this.table = this.readSymbols() ?? this.aids.symbols;
    return this.table;
  }

  /** VMCOREINFO said where they are, or they were searched for, or they are a vmlinux's; undefined: there are none. */
  get symbolsFrom(): SymbolsFrom | undefined {
    if (this.symbols === undefined) return undefined;
    return this.symbols === this.aids.symbols ? 'vmlinux' : this.wereSearched ? 'search' : 'VMCOREINFO';
  }

  /** Undefined where there is no BTF in the dump. Read when it is asked for. */
  get layouts(): Layouts | undefined {
    if (this.known === null) this.known = this.readBtf() ?? this.aids.layouts;
    return this.known;
  }

  /** Undefined where the list or the layout of its entries cannot be had. Read when it is asked for. */
  get modules(): ModuleList | undefined {
    if (this.moduleList === null) this.moduleList = listModules(this);
    return this.moduleList;
  }

  /** None where there is no list of modules. */
  get moduleSymbols(): ModuleSymbols {
    this.symbolsOfModules ??= new ModuleSymbols(this, this.modules?.modules ?? []);
    return this.symbolsOfModules;
  }

  /** The function or variable that an address lies in, of the kernel or of a module. */
  placeOf(vaddr: bigint): (Place & { readonly module?: string }) | undefined {
    const place = this.moduleSymbols.at(vaddr) ?? this.symbols?.at(vaddr);
    // Behind the last symbol there is no end to what would be in it.
    return place?.sizeBytes === undefined && place?.offset !== 0 ? undefined : place;
  }

  /** Address of a symbol; undefined where there is none, or more than one. */
  symbol(name: string): bigint | undefined {
    const given = this.info.symbol(name);
    if (given !== undefined) return given;
    const found = this.symbols?.find(name) ?? [];
    return found.length === 1 ? found[0] : undefined;
  }

  /** What VMCOREINFO says, else the layouts. */
  sizeOf(struct: string): number | undefined {
    return this.layouts?.sizeOf(struct) ?? this.info.size(struct);
  }

  field(struct: string, path: string): Field | undefined {
    return this.layouts?.field(struct, path);
  }

  read(vaddr: bigint, length: number): Buffer | undefined {
    const { memory, walker } = this;
    const inPage = Number(BigInt.asUintN(32, vaddr)) % memory.pageSize;
    // Most reads are of a few bytes in one page, and that is held.
    if (inPage + length > memory.pageSize) return walker.read(vaddr, length);
    const paddr = walker.translate(vaddr)?.paddr;
    const page = paddr === undefined ? undefined : memory.page(Math.floor(paddr / memory.pageSize));
    return page === undefined ? undefined : Buffer.from(page.subarray(inPage, inPage + length));
  }

  u8(vaddr: bigint): number | undefined {
    return this.read(vaddr, 1)?.[0];
  }

  u32(vaddr: bigint): number | undefined {
    return this.read(vaddr, 4)?.readUInt32LE(0);
  }

  i32(vaddr: bigint): number | undefined {
    return this.read(vaddr, 4)?.readInt32LE(0);
  }

  u64(vaddr: bigint): bigint | undefined {
    return this.read(vaddr, 8)?.readBigUInt64LE(0);
  }

  /** Up to its NUL, or `most` bytes, or as far as the memory is there; undefined where its first byte is not. */
  text(vaddr: bigint, most: number): string | undefined {
    const pieces: Buffer[] = [];
    for (let done = 0; done < Math.min(most, MAX_STRING_BYTES); ) {
      const at = vaddr + BigInt(done);
      const inPage = Number(BigInt.asUintN(32, at)) % this.memory.pageSize;
      const piece = this.read(at, Math.min(most - done, this.memory.pageSize - inPage));
      if (piece === undefined) break;
      const end = piece.indexOf(0);
      pieces.push(end < 0 ? piece : piece.subarray(0, end));
      if (end >= 0) break;
      done += piece.length;
    }
    return pieces.length === 0 ? undefined : textOf(Buffer.concat(pieces));
  }

  /** A structure's bytes, all at once; undefined where its size is not known or the page that it begins in is not there. */
  struct(vaddr: bigint, name: string): StructView | undefined {
    const sizeBytes = this.sizeOf(name);
    if (sizeBytes === undefined || sizeBytes > MAX_STRUCT_BYTES) return undefined;
    const bytes = this.walker.read(vaddr, sizeBytes) ?? this.readWithZeros(vaddr, sizeBytes);
    return bytes === undefined ? undefined : new StructView(this, name, vaddr, bytes);
  }

  /** An ELF file has no pages of zeros where its level left them out, and of the kernel's own pages only those. */
  private readWithZeros(vaddr: bigint, length: number): Buffer | undefined {
    if (!this.lacksZeros) return undefined;
    const into = Buffer.alloc(length);
    for (const { paddr, sizeBytes, at } of this.pagesOf(vaddr, length)) {
      if (paddr === undefined) return undefined;
      const part = this.memory.read(paddr, sizeBytes);
      if (part === undefined && at === 0) return undefined;
      part?.copy(into, at);
    }
    return into;
  }

  /** The stretches of an address range that lie in one page each. */
  private *pagesOf(vaddr: bigint, length: number) {
    const { pageSize } = this.memory;
    for (let at = 0; at < length; ) {
      const from = vaddr + BigInt(at);
      const sizeBytes = Math.min(length - at, pageSize - (Number(BigInt.asUintN(32, from)) % pageSize));
      yield { paddr: this.walker.translate(from)?.paddr, sizeBytes, at };
      at += sizeBytes;
    }
  }

  private readSymbols(): SymbolTable | undefined {
    const read: ReadVirtual = (vaddr, length) => this.walker.read(vaddr, length);
    const told = kallsymsLocation(this.info);
    this.wereSearched = told.kallsyms_names === undefined;
    const image = this.wereSearched ? this.arch.mappedImage(this.info, this.walker) : undefined;
    const location = image === undefined ? told : findKallsyms(read, image);
    return location && SymbolTable.read(read, location, knownSymbols(this.info));
  }

  private readBtf(): Btf | undefined {
    const start = this.symbol('__start_BTF');
    const end = this.symbol('__stop_BTF');
    if (start === undefined || end === undefined || end <= start) return undefined;
    const length = Number(end - start);
    if (length > MAX_BTF_BYTES) return undefined;
    const bytes = this.walker.read(start, length);
    return bytes === undefined ? undefined : Btf.parse(bytes);
  }
}

/** One structure of the kernel; a member that it does not have is undefined. */
export class StructView {
  readonly vaddr: bigint;
  readonly bytes: Buffer;
  private readonly view: KernelView;
  private readonly name: string;

  constructor(view: KernelView, name: string, vaddr: bigint, bytes: Buffer) {
    this.view = view;
    this.name = name;
    this.vaddr = vaddr;
    this.bytes = bytes;
  }

  /** Of any width up to 8 bytes, bit fields too; unsigned. */
  unsigned(path: string): bigint | undefined {
    const field = this.field(path);
    if (field === undefined) return undefined;
    const { byteOffset, bits, sizeBytes } = field;
    if (bits !== undefined) {
      const bytes = Math.ceil((bits.first + bits.count) / 8);
      return bytes > 8
        ? undefined
        : BigInt.asUintN(bits.count, this.raw(byteOffset, bytes) >> BigInt(bits.first));
    }
    return sizeBytes === undefined || sizeBytes > 8 ? undefined : this.raw(byteOffset, sizeBytes);
  }

  /** The same as a number; exact to 2^53. */
  number(path: string): number | undefined {
    const value = this.unsigned(path);
    return value === undefined ? undefined : Number(value);
  }

  signed(path: string): number | undefined {
    const value = this.unsigned(path);
    const sizeBytes = this.field(path)?.sizeBytes;
    return value === undefined || sizeBytes === undefined
      ? undefined
      : Number(BigInt.asIntN(sizeBytes * 8, value));
  }

  /** An array of characters up to its NUL. */
  text(path: string): string | undefined {
    const field = this.field(path);
    if (field?.sizeBytes === undefined) return undefined;
    const length = Math.min(field.sizeBytes, MAX_TEXT_BYTES);
    const bytes = this.bytes.subarray(field.byteOffset, field.byteOffset + length);
    const end = bytes.indexOf(0);
    return textOf(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** Where the member itself is. */
  addressOf(path: string): bigint | undefined {
    const field = this.field(path);
    return field === undefined ? undefined : this.vaddr + BigInt(field.byteOffset);
  }

  private field(path: string): Field | undefined {
    const field = this.view.field(this.name, path);
    if (field === undefined) return undefined;
    return field.byteOffset + (field.sizeBytes ?? 0) <= this.bytes.length ? field : undefined;
  }

  private raw(byteOffset: number, sizeBytes: number): bigint {
    let value = 0n;
    for (let i = Math.min(sizeBytes, this.bytes.length - byteOffset) - 1; i >= 0; i--)
      value = (value << 8n) | BigInt(this.bytes[byteOffset + i]!);
    return value;
  }
}
