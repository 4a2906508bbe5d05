/** A KernelView over memory that a test writes by virtual addresses: real page tables, real reader, hand-made contents. */

import { archByName } from '../../src/arch/architectures.ts';
import type { Layouts } from '../../src/kernel/view/layouts.ts';
import { type KernelSymbol, SymbolTable } from '../../src/kernel/view/symbol-table.ts';
import { KernelView } from '../../src/kernel/view/view.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import type { MemoryReader } from '../../src/read/dump-file.ts';
import { PageTables } from './page-tables.ts';
import { PhysicalPages, pageSize } from './physical-pages.ts';

const ROOT_PADDR = 0x1000;

export class ViewBuilder {
  private readonly pages = new PhysicalPages();
  private readonly mapped = new Map<bigint, number>();
  private nextPfn = 2;
  private readonly tables = new PageTables({
    pages: this.pages,
    levels: 4,
    mask: 0n,
    rootPaddr: ROOT_PADDR,
    allocate: () => this.allocate(),
  });

  write(vaddr: bigint, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const at = vaddr + BigInt(done);
      const inPage = Number(at % BigInt(pageSize));
      const size = Math.min(bytes.length - done, pageSize - inPage);
      this.pages.write(this.paddr(at - BigInt(inPage)) + inPage, bytes.subarray(done, done + size));
      done += size;
    }
  }

  u64(vaddr: bigint, ...values: readonly bigint[]): void {
    const bytes = Buffer.alloc(8 * values.length);
    for (const [i, value] of values.entries()) bytes.writeBigUInt64LE(BigInt.asUintN(64, value), 8 * i);
    this.write(vaddr, bytes);
  }

  u32(vaddr: bigint, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value | 0);
    this.write(vaddr, bytes);
  }

  view(symbols: readonly KernelSymbol[] = [], layouts?: Layouts, info = ''): KernelView {
    const arch = archByName('x86_64')!;
    const tables = { root: ROOT_PADDR, levels: 4, encryptionMask: 0n };
    return new KernelView(
      this.reader(),
      { arch, info: new Vmcoreinfo(info), tables },
      { symbols: SymbolTable.of(symbols), layouts },
    );
  }

  private allocate(): number {
    return this.nextPfn++ * pageSize;
  }

  private paddr(page: bigint): number {
    let paddr = this.mapped.get(page);
    if (paddr === undefined) {
      paddr = this.allocate();
      this.pages.page(paddr / pageSize);
      this.tables.map(page, paddr, pageSize, { leaf: '4k' });
      this.mapped.set(page, paddr);
    }
    return paddr;
  }

  private reader(): MemoryReader {
    const { pages } = this;
    const read = (paddr: number, into: Uint8Array) => {
      for (let done = 0; done < into.length; ) {
        const page = pages.peek(Math.floor((paddr + done) / pageSize));
        if (page === undefined) return false;
        const inPage = (paddr + done) % pageSize;
        const piece = page.subarray(inPage, inPage + into.length - done);
        into.set(piece, done);
        done += piece.length;
      }
      return true;
    };
    return {
      pageSize,
      mapped: false,
      cutPages: 0,
      maxPages: 1,
      bytes: Buffer.alloc(0),
      start: 0,
      load: () => 0,
      read,
      close: () => {},
    };
  }
}
