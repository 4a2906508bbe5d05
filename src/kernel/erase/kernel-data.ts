/** Kernel data by name: where a variable and its members lie in the dumped memory, by a vmlinux and the dump's page tables. */

import type { PageTableWalker } from '../../arch/page-table.ts';
import type { FoundNames } from '../../read/debug/find.ts';
import type { SymbolAddresses } from '../../read/debug/symbols.ts';
import type { Member, Type } from '../../read/debug/types.ts';
import type { Vmcoreinfo } from '../vmcoreinfo.ts';
import type { Look, Vmlinux } from '../vmlinux/vmlinux.ts';

/** A thing in kernel memory, and its type. */
export interface Thing {
  readonly vaddr: bigint;
  readonly type: Type;
}

/** Why there is no such thing in any dump of this kernel: the rest of a sentence. */
export class NoSuchThing extends Error {}

/** With 5 levels; below are user addresses, per-CPU offsets, and what the kernel poisons pointers with. */
export const LOWEST_KERNEL_ADDRESS = 0xff00_0000_0000_0000n;
/** Structures that are only declared where they are used, and so looked for once more. */
const MAX_SEARCHES = 16;

export class KernelData {
  private readonly vmlinux: Vmlinux;
  private readonly symbols: SymbolAddresses;
  private readonly found: FoundNames;
  private readonly walker: PageTableWalker;
  /** What KASLR added. */
  private readonly movedBy: bigint;
  private readonly look: Look;
  /** Definitions of structures that were only declared. */
  private readonly defined = new Map<string, Type | undefined>();

  private constructor(
    vmlinux: Vmlinux,
    symbols: SymbolAddresses,
    found: FoundNames,
    walker: PageTableWalker,
    movedBy: bigint,
    look: Look,
  ) {
    this.vmlinux = vmlinux;
    this.symbols = symbols;
    this.found = found;
    this.walker = walker;
    this.movedBy = movedBy;
    this.look = look;
  }

  /** Looks for all names at once. `info` is what the dump says of itself. */
  static async open(
    vmlinux: Vmlinux,
    names: { readonly variables: ReadonlySet<string>; readonly structures: ReadonlySet<string> },
    info: Vmcoreinfo,
    walker: PageTableWalker,
    look: Look,
  ): Promise<KernelData> {
    const symbols = await vmlinux.symbols(new Set([...names.variables, '_stext']), look);
    const [here, there] = [info.symbol('_stext'), symbols.get('_stext')?.[0]];
    const movedBy = here === undefined || there === undefined ? 0n : here - there;
    const found = await vmlinux.find({ ...names, typedefs: names.structures }, look);
    return new KernelData(vmlinux, symbols, found, walker, movedBy, look);
  }

  /** @throws NoSuchThing */
  variable(name: string): Thing {
    const [vaddr, ...namesakes] = this.symbols.get(name) ?? [];
    if (vaddr === undefined) throw new NoSuchThing(`the kernel has no symbol ${name}`);
    if (namesakes.length > 0)
      throw new NoSuchThing(
        `the kernel has ${namesakes.length + 1} symbols ${name}, and nothing says which one is meant`,
      );
    if (vaddr < LOWEST_KERNEL_ADDRESS)
      throw new NoSuchThing(`${name} is no variable in kernel memory (each CPU may have its own)`);
    const all = this.found.variables.get(name) ?? [];
    const definition =
      all.find((found) => found.vaddr === vaddr) ?? all.find((found) => found.vaddr === undefined);
    const type = definition && this.vmlinux.types.typeOf(definition.entry);
    if (type === undefined) throw new NoSuchThing(`the debug information does not have the type of ${name}`);
    return { vaddr: BigInt.asUintN(64, vaddr + this.movedBy), type: this.vmlinux.types.at(type) };
  }

  /** @throws NoSuchThing */
  async structure(name: string): Promise<Type> {
    const entry = this.found.structures.get(name) ?? this.found.typedefs.get(name);
    const type = entry === undefined ? undefined : await this.complete(this.vmlinux.types.at(entry));
    if (type === undefined || this.sizeOf(type) === undefined)
      throw new NoSuchThing(`the kernel has no structure ${name}`);
    return type;
  }

  /** A member of a structure or union, by its type alone. @throws NoSuchThing */
  async memberOf(type: Type, name: string): Promise<Member> {
    const whole = await this.complete(type);
    if (whole.kind !== 'structure' && whole.kind !== 'union')
      throw new NoSuchThing(`there is no member ${name} in what is no structure`);
    const member = this.vmlinux.types.member(whole.entry, name);
    if (member === undefined)
      throw new NoSuchThing(`struct ${whole.name ?? '(unnamed)'} has no member ${name}`);
    if (member.isBitField)
      throw new NoSuchThing(`${name} of struct ${whole.name} is a bit-field, which has no bytes of its own`);
    return member;
  }

  typeOf(member: Member): Type {
    return this.vmlinux.types.at(member.type);
  }

  /** What a pointer leads to; undefined for void. */
  async pointee(type: Type): Promise<Type | undefined> {
    if (type.kind !== 'pointer' || type.to === undefined) return undefined;
    return this.complete(this.vmlinux.types.at(type.to));
  }

  element(type: Type): Type {
    return type.kind === 'array' ? this.vmlinux.types.at(type.of) : type;
  }

  sizeOf(type: Type): number | undefined {
    return this.vmlinux.types.sizeOf(type);
  }

  /** Undefined where it is not in the dump. */
  readPointer(vaddr: bigint): bigint | undefined {
    return this.read(vaddr, 8)?.readBigUInt64LE(0);
  }

  read(vaddr: bigint, length: number): Buffer | undefined {
    return vaddr < LOWEST_KERNEL_ADDRESS ? undefined : this.walker.read(vaddr, length);
  }

  /** A structure that is only declared in the file that uses it, as the file defines it that has it. */
  private async complete(type: Type): Promise<Type> {
    if ((type.kind !== 'structure' && type.kind !== 'union') || type.sizeBytes !== undefined) return type;
    const { name } = type;
    if (name === undefined) return type;
    if (!this.defined.has(name) && this.defined.size < MAX_SEARCHES) {
      const { structures } = await this.vmlinux.find({ structures: [name] }, this.look);
      const entry = structures.get(name);
      this.defined.set(name, entry === undefined ? undefined : this.vmlinux.types.at(entry));
    }
    return this.defined.get(name) ?? type;
  }
}
