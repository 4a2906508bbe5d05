/** What is looked at: a virtual address, a physical one, or a symbol and how far behind it. */

import { SmeltError } from '../errors.ts';
import { MAX_MATCHES } from '../kernel/kallsyms.ts';
import type { KernelView } from '../kernel/view/view.ts';
import { count } from '../units.ts';

export type Where =
  /** As a number; the upper half of the 64 bits is virtual memory of the kernel, the lower half physical memory. */
  | { readonly kind: 'address'; readonly value: bigint }
  | { readonly kind: 'symbol'; readonly name: string; readonly offset: number };

export interface Found {
  /** Undefined: `paddr` was asked for. */
  readonly vaddr: bigint | undefined;
  readonly paddr: bigint | undefined;
}

export const FIRST_VIRTUAL = 1n << 63n;

/** @throws SmeltError NO_SYMBOLS, NO_SYMBOL, UNDECIDABLE */
export function find(path: string, where: Where, view: KernelView | undefined): Found {
  if (where.kind === 'address' && where.value < FIRST_VIRTUAL)
    return { vaddr: undefined, paddr: where.value };
  if (view === undefined) throw noTables(path);
  return {
    vaddr: where.kind === 'address' ? where.value : vaddrOf(path, where, view),
    paddr: undefined,
  };
}

/** @throws SmeltError UNDECIDABLE */
export function noTables(path: string): SmeltError {
  return new SmeltError('UNDECIDABLE', `${path}: nothing says where the kernel's page tables are`, {
    hint: 'A file with VMCOREINFO of the crashed kernel can be given with -i, its vmlinux with -x.',
  });
}

/** @throws SmeltError NO_SYMBOLS */
export function noSymbols(path: string): SmeltError {
  return new SmeltError('NO_SYMBOLS', `${path}: the kernel's symbol table is not in it, or cannot be found`, {
    hint: 'Its vmlinux can be given with -x.',
  });
}

/** @throws SmeltError NO_LAYOUTS: what is needed to read `what` cannot be told */
export function noLayouts(path: string, what: string): SmeltError {
  return new SmeltError(
    'NO_LAYOUTS',
    `${path}: nothing says how ${what} are laid out: there is no BTF in it`,
    {
      hint: "The kernel's vmlinux with debug information can be given with -x.",
    },
  );
}

/** @throws SmeltError NO_SYMBOLS, NO_SYMBOL */
function vaddrOf(
  path: string,
  { name, offset }: Extract<Where, { kind: 'symbol' }>,
  view: KernelView,
): bigint {
  const found = view.symbols?.find(name) ?? [];
  const given = view.info.symbol(name);
  const vaddr = given ?? found[0];
  if (vaddr === undefined) {
    if (view.symbols === undefined) throw noSymbols(path);
    throw new SmeltError('NO_SYMBOL', `${path}: the kernel has no symbol ${name}`, {
      hint: `\`smelt symbols ${path} '*${name.slice(0, 12)}*'\` lists those that are like it.`,
    });
  }
  if (given === undefined && found.length > 1) {
    const many = `${found.length === MAX_MATCHES ? 'at least ' : ''}${count(found.length)}`;
    const all = found.slice(0, 4).map((each) => `0x${each.toString(16)}`);
    throw new SmeltError('NO_SYMBOL', `${path}: the kernel has ${many} symbols ${name}`, {
      hint: `Give the address of one of them: ${all.join(', ')}${found.length > all.length ? ' …' : ''}.`,
    });
  }
  return BigInt.asUintN(64, vaddr + BigInt(offset));
}

/** What is to be said of symbols that VMCOREINFO does not lead to. */
export function searchedNote({ symbolsFrom }: KernelView): string[] {
  return symbolsFrom === 'search'
    ? ['VMCOREINFO does not say where the kernel has its symbols: they were found by their shape']
    : [];
}
