/** Guest memory as a sparse map of pages: what was never written is zero. */

export const pageSize = 4096;

export class PhysicalPages {
  readonly #pages = new Map<number, Uint8Array>();

  /** The page's bytes to write into, made when missing. */
  page(pfn: number): Uint8Array {
    let page = this.#pages.get(pfn);
    if (!page) {
      page = new Uint8Array(pageSize);
      this.#pages.set(pfn, page);
    }
    return page;
  }

  peek(pfn: number): Uint8Array | undefined {
    return this.#pages.get(pfn);
  }

  /** Every page that was ever written, in ascending order. */
  entries(): [pfn: number, bytes: Uint8Array][] {
    return [...this.#pages].sort(([a], [b]) => a - b);
  }

  write(paddr: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const at = (paddr + done) % pageSize;
      const n = Math.min(pageSize - at, bytes.length - done);
      this.page(Math.floor((paddr + done) / pageSize)).set(bytes.subarray(done, done + n), at);
      done += n;
    }
  }

  writeU64(paddr: number, value: bigint): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
    this.write(paddr, bytes);
  }

  writeU32(paddr: number, value: number): void {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    this.write(paddr, bytes);
  }

  readU64(paddr: number): bigint {
    const page = this.#pages.get(Math.floor(paddr / pageSize));
    if (!page) return 0n;
    return new DataView(page.buffer, page.byteOffset).getBigUint64(paddr % pageSize, true);
  }
}

const zeroPage = Buffer.alloc(pageSize);

/** For one page or less. */
export const isZero = (bytes: Uint8Array): boolean => zeroPage.subarray(0, bytes.length).equals(bytes);
