/** The kernel image: text, rodata, data and bss, and the symbols in the last two. */

export const startKernelMap = 0xffffffff80000000n;

/** CONFIG_PHYSICAL_START: where _text is without KASLR. */
const defaultText = 0x1000000n;

export interface Section {
  readonly name: 'text' | 'rodata' | 'data' | 'bss';
  /** Byte offset in the image and length, both whole pages. */
  readonly offset: number;
  readonly bytes: number;
}

export interface SymbolRequest {
  readonly name: string;
  readonly bytes: number;
  readonly align?: number;
  readonly in: 'rodata' | 'data' | 'bss';
}

/** Places symbols in an image of which text is `textPages` long, and adds `bssPages` with nothing known in them. */
export class KernelImage {
  /** Virtual address of the image's first byte (_text, _stext). */
  readonly vaddr: bigint;
  readonly paddr: number;
  readonly bytes: number;
  readonly sections: readonly Section[];
  readonly #symbols = new Map<string, number>();

  constructor(options: {
    readonly physBase: bigint;
    readonly kernelOffset: bigint;
    readonly textPages: number;
    readonly bssPages: number;
    readonly symbols: readonly SymbolRequest[];
  }) {
    this.vaddr = startKernelMap + defaultText + options.kernelOffset;
    this.paddr = Number(defaultText + options.kernelOffset + options.physBase);
    if (this.paddr < 0) throw new Error('physBase puts the kernel below address 0');
    if (this.paddr % 2 ** 21 !== 0) throw new Error('the kernel must stand on a 2 MiB boundary');
    const sections: Section[] = [{ name: 'text', offset: 0, bytes: options.textPages * 4096 }];
    let at = options.textPages * 4096;
    for (const name of ['rodata', 'data', 'bss'] as const) {
      const offset = at;
      for (const symbol of options.symbols.filter((s) => s.in === name)) {
        const align = symbol.align ?? 64;
        at = Math.ceil(at / align) * align;
        this.#symbols.set(symbol.name, at);
        at += symbol.bytes;
      }
      at = Math.ceil(at / 4096) * 4096 + (name === 'bss' ? options.bssPages * 4096 : 4096);
      sections.push({ name, offset, bytes: at - offset });
    }
    this.#symbols.set('_stext', 0);
    const root = this.#symbols.get('init_top_pgt');
    if (root !== undefined) this.#symbols.set('swapper_pg_dir', root);
    this.sections = sections;
    this.bytes = at;
  }

  symbol(name: string): bigint {
    const offset = this.#symbols.get(name);
    if (offset === undefined) throw new Error(`no symbol ${name} in the image`);
    return this.vaddr + BigInt(offset);
  }

  has(name: string): boolean {
    return this.#symbols.has(name);
  }

  /** Physical address of a symbol. */
  at(name: string): number {
    return this.paddr + Number(this.symbol(name) - this.vaddr);
  }
}
