/** x86_64 page tables written the way the kernel maps its own memory. */
import { type PhysicalPages, pageSize } from './physical-pages.ts';

export type Leaf = '4k' | '2m' | '1g';

export const leafBytes: { readonly [K in Leaf]: number } = { '4k': 2 ** 12, '2m': 2 ** 21, '1g': 2 ** 30 };

const tableFlags = 0x63n; // present, writable, accessed, dirty (_KERNPG_TABLE)
const dataFlags = 0x8000000000000163n; // the same, global, no execute (PAGE_KERNEL)
const textFlags = 0x121n; // present, accessed, global
const pse = 0x80n;

export interface PageTablesOptions {
  readonly pages: PhysicalPages;
  readonly levels: 4 | 5;
  /** ORed into every entry of every level. */
  readonly mask: bigint;
  /** ORed into leaves without the mask: the bit by which a TDX guest says that it shares memory. */
  readonly sharedBit?: bigint;
  readonly rootPaddr: number;
  /** First byte of a free, zero page for one more table. */
  readonly allocate: () => number;
}

export interface MapOptions {
  /** Largest leaf to use; smaller ones serve what is not aligned. */
  readonly leaf: Leaf;
  /** False: a leaf without the mask, as set_memory_decrypted leaves it. */
  readonly encrypted?: boolean;
  readonly executable?: boolean;
}

export class PageTables {
  readonly #o: PageTablesOptions;

  constructor(options: PageTablesOptions) {
    this.#o = options;
  }

  /** Maps `bytes` from `vaddr` to `paddr` on; all three page aligned. Mapping an address twice throws. */
  map(vaddr: bigint, paddr: number, bytes: number, options: MapOptions): void {
    const flags = options.executable ? textFlags : dataFlags;
    const mask = options.encrypted === false ? (this.#o.sharedBit ?? 0n) : this.#o.mask;
    for (let done = 0; done < bytes; ) {
      const leaf = this.#leafAt(vaddr + BigInt(done), paddr + done, bytes - done, options.leaf);
      const shift = leaf === '1g' ? 30 : leaf === '2m' ? 21 : 12;
      const entry = this.#entryAt(vaddr + BigInt(done), shift);
      if (this.#o.pages.readU64(entry) !== 0n) {
        throw new Error(`0x${(vaddr + BigInt(done)).toString(16)} is mapped already`);
      }
      const large = shift === 12 ? 0n : pse;
      this.#o.pages.writeU64(entry, BigInt(paddr + done) | flags | large | mask);
      done += leafBytes[leaf];
    }
  }

  #leafAt(vaddr: bigint, paddr: number, bytes: number, largest: Leaf): Leaf {
    const fits = (leaf: Leaf): boolean =>
      leafBytes[leaf] <= leafBytes[largest] &&
      bytes >= leafBytes[leaf] &&
      paddr % leafBytes[leaf] === 0 &&
      vaddr % BigInt(leafBytes[leaf]) === 0n;
    return fits('1g') ? '1g' : fits('2m') ? '2m' : '4k';
  }

  /** Physical address of the entry of the level whose entries cover 2^shift bytes; makes the tables above it. */
  #entryAt(vaddr: bigint, shift: number): number {
    let table = this.#o.rootPaddr;
    for (let s = this.#o.levels === 5 ? 48 : 39; ; s -= 9) {
      const entry = table + Number((vaddr >> BigInt(s)) & 511n) * 8;
      if (s === shift) return entry;
      const present = this.#o.pages.readU64(entry);
      if (present & pse)
        throw new Error(`0x${vaddr.toString(16)} lies in a large page that is mapped already`);
      if (present !== 0n) {
        table = Number(present & 0x000ffffffffff000n & ~this.#o.mask);
        continue;
      }
      table = this.#o.allocate();
      if (table % pageSize !== 0) throw new Error('a table must start a page');
      this.#o.pages.page(table / pageSize);
      this.#o.pages.writeU64(entry, BigInt(table) | tableFlags | this.#o.mask);
    }
  }
}
