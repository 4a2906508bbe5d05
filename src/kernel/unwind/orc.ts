/** The kernel's own unwind tables (ORC): how the caller's frame is found from an address in a function. docs/notes/orc.md has the sources. */

import type { KernelView } from '../view/view.ts';
import { isKernelCode } from './code.ts';

/** What a frame's stack pointer, or its caller's RBP, is reckoned from: ORC_REG_* of arch/x86/include/asm/orc_types.h. */
export type OrcRegister =
  | 'undefined'
  | 'prev-sp'
  | 'ax'
  | 'dx'
  | 'di'
  | 'bp'
  | 'sp'
  | 'r10'
  | 'r13'
  | 'bp-indirect'
  | 'sp-indirect';

/** By their numbers, v4.14 on; `ax` came late and behind the others. */
const REGISTERS: readonly OrcRegister[] = [
  ...(['undefined', 'prev-sp', 'dx', 'di', 'bp', 'sp'] as const),
  ...(['r10', 'r13', 'bp-indirect', 'sp-indirect', 'ax'] as const),
];
/** Those of v7.3. */
const NEW_REGISTERS: readonly OrcRegister[] = [
  ...(['undefined', 'ax', 'dx', 'sp', 'bp', 'di'] as const),
  ...(['r10', 'r13', 'prev-sp', 'sp-indirect', 'bp-indirect'] as const),
];
/** Entries that are looked at to tell which numbers a kernel has. */
const SAMPLED_ENTRIES = 4096;

export interface OrcEntry {
  readonly spRegister: OrcRegister;
  readonly spOffset: number;
  readonly bpRegister: OrcRegister;
  readonly bpOffset: number;
  /** `end`: this is the last frame. `regs`: struct pt_regs is there; `interrupt`: only what the CPU pushes. `unknown`: nothing is said. */
  readonly type: 'unknown' | 'end' | 'call' | 'regs' | 'interrupt';
}

/** By the number in the entry, and how wide it is. */
const TYPES: Readonly<Record<number, readonly OrcEntry['type'][]>> = {
  // Linux commit fb799447ae29 ("x86,objtool: Split UNWIND_HINT_EMPTY in two"), v6.4.
  3: ['unknown', 'end', 'call', 'regs', 'interrupt'],
  2: ['call', 'regs', 'interrupt'],
};
const ENTRY_BYTES = 6;
/** A distribution kernel has 0.4 to 0.6 million. */
const MAX_ENTRIES = 16_000_000;

/** One pair of tables: of the kernel, or of a module. */
interface Table {
  /** 32 bits each, relative to where they stand, ascending. */
  readonly ips: bigint;
  readonly entries: bigint;
  readonly count: number;
}

export class OrcTables {
  private readonly view: KernelView;
  private readonly kernel: Table | undefined;
  private readonly modules = new Map<bigint, Table | undefined>();
  private readonly readEntry: (vaddr: bigint) => OrcEntry | undefined;

  private constructor(view: KernelView, kernel: Table | undefined) {
    this.view = view;
    this.kernel = kernel;
    this.readEntry = entryReader(view, kernel);
  }

  static of(view: KernelView): OrcTables {
    const names = ['ip', ''].flatMap((which) =>
      ['start', 'stop'].map((end) => `__${end}_orc_unwind${which && `_${which}`}`),
    );
    view.symbols?.findAll(names);
    const [ips, ipsEnd, entries] = names.map((name) => view.symbol(name));
    const known = ips !== undefined && ipsEnd !== undefined && entries !== undefined && ipsEnd > ips;
    const count = known ? Number((ipsEnd - ips) / 4n) : 0;
    const isUsable = known && count <= MAX_ENTRIES;
    return new OrcTables(view, isUsable ? { ips, entries, count } : undefined);
  }

  /** Whether the kernel has any that are in the dump. */
  get isThere(): boolean {
    return this.kernel !== undefined && this.ip(this.kernel, 0) !== undefined;
  }

  /** What is said of an instruction; undefined where nothing is. */
  find(ip: bigint): OrcEntry | undefined {
    const table = this.tableFor(ip);
    if (table === undefined) return undefined;
    let low = 0;
    let high = table.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = this.ip(table, middle);
      if (start === undefined) return undefined;
      if (start <= ip) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : this.readEntry(table.entries + BigInt((low - 1) * ENTRY_BYTES));
  }

  private ip({ ips }: Table, index: number): bigint | undefined {
    const at = ips + BigInt(index * 4);
    const distance = this.view.i32(at);
    return distance === undefined ? undefined : BigInt.asUintN(64, at + BigInt(distance));
  }

  private tableFor(ip: bigint): Table | undefined {
    const module = this.view.moduleSymbols.moduleAt(ip);
    // Its last entry is not for all that lies behind it.
    if (module === undefined) return isKernelCode(this.view, ip) ? this.kernel : undefined;
    const { vaddr } = module;
    if (!this.modules.has(vaddr)) this.modules.set(vaddr, this.ofModule(vaddr));
    return this.modules.get(vaddr);
  }

  /** Source: arch/x86/include/asm/module.h, struct mod_arch_specific. */
  private ofModule(vaddr: bigint): Table | undefined {
    const module = this.view.struct(vaddr, 'module');
    const ips = module?.unsigned('arch.orc_unwind_ip');
    const entries = module?.unsigned('arch.orc_unwind');
    const count = module?.number('arch.num_orcs');
    if (ips === undefined || entries === undefined || count === undefined || count > MAX_ENTRIES)
      return undefined;
    return ips === 0n || entries === 0n ? undefined : { ips, entries, count };
  }
}

/** By the kernel's own layout of struct orc_entry, or else by its release. */
function entryReader(view: KernelView, kernel: Table | undefined): (vaddr: bigint) => OrcEntry | undefined {
  const typeBits = view.field('orc_entry', 'type')?.bits?.count ?? (isFrom(view, 6, 4) ? 3 : 2);
  const endBit = view.field('orc_entry', 'end')?.bits?.first ?? (isFrom(view, 6, 3) ? 3 : 2);
  const types = TYPES[typeBits] ?? [];
  const names = registersOf(view, kernel);
  return (vaddr) => {
    const bytes = view.read(vaddr, ENTRY_BYTES);
    if (bytes === undefined) return undefined;
    const [registers, kind] = [bytes[4]!, bytes[5]!];
    const isEnd = typeBits === 2 && ((kind >> endBit) & 1) === 1;
    return {
      spOffset: bytes.readInt16LE(0),
      bpOffset: bytes.readInt16LE(2),
      spRegister: names[registers & 0xf] ?? 'undefined',
      bpRegister: names[registers >> 4] ?? 'undefined',
      type: isEnd ? 'end' : (types[kind & ((1 << typeBits) - 1)] ?? 'unknown'),
    };
  };
}

/** Nearly all frames are reckoned from SP, which is 5 or 3; hardly any from DI, which is the other. */
function registersOf(view: KernelView, kernel: Table | undefined): readonly OrcRegister[] {
  if (kernel === undefined) return REGISTERS;
  const bytes = view.walker.read(kernel.entries, Math.min(SAMPLED_ENTRIES, kernel.count) * ENTRY_BYTES);
  let [old, renumbered] = [0, 0];
  for (let at = 4; bytes !== undefined && at < bytes.length; at += ENTRY_BYTES) {
    const register = bytes[at]! & 0xf;
    if (register === REGISTERS.indexOf('sp')) old++;
    else if (register === NEW_REGISTERS.indexOf('sp')) renumbered++;
  }
  return renumbered > old ? NEW_REGISTERS : REGISTERS;
}

function isFrom({ info }: KernelView, major: number, minor: number): boolean {
  const match = /^(\d+)\.(\d+)/.exec(info.release ?? '');
  return match !== null && Number(match[1]) * 1000 + Number(match[2]) >= major * 1000 + minor;
}
