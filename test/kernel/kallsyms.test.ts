/** The kernel's symbol table: hand-built tables in every encoding, damaged ones, and those of the real dumps. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  findSymbols,
  type KallsymsLocation,
  type KnownSymbol,
  type ReadVirtual,
} from '../../src/kernel/kallsyms.ts';

const BASE = 0xffffffff81000000n;
/** Where the hand-built tables lie. Names begin short of a page's end, so that reading them crosses pages. */
const AT = {
  kallsyms_num_syms: BASE + 0x800000n,
  kallsyms_relative_base: BASE + 0x800008n,
  kallsyms_token_table: BASE + 0x810000n,
  kallsyms_token_index: BASE + 0x820000n,
  kallsyms_offsets: BASE + 0x830000n,
  kallsyms_names: BASE + 0x900ff0n,
} as const;

type Encoding = 'base-relative' | 'absolute-percpu' | 'place-relative';
interface TableSymbol {
  readonly name: string;
  readonly vaddr: bigint;
  readonly type?: string;
}

/** In the order of their addresses, as the kernel's table is. `cpu_hot` is an offset into the per-CPU area. */
const SYMBOLS: readonly TableSymbol[] = [
  { name: '_text', vaddr: BASE },
  { name: '_stext', vaddr: BASE },
  { name: 'start_secondary', vaddr: BASE + 0x40n, type: 't' },
  { name: '_etext', vaddr: BASE + 0x200000n },
  { name: '_sdata', vaddr: BASE + 0x400000n, type: 'D' },
  { name: 'init_uts_ns', vaddr: BASE + 0x400b40n, type: 'D' },
  { name: '_end', vaddr: BASE + 0x7000000n, type: 'B' },
];
const KNOWN: readonly KnownSymbol[] = [
  { name: '_stext', vaddr: BASE },
  { name: 'init_uts_ns', vaddr: BASE + 0x400b40n },
];
const NAMES = ['_text', '_etext', '_sdata', '_end', '__bss_stop'];
const FOUND = new Map([
  ['_text', BASE],
  ['_etext', BASE + 0x200000n],
  ['_sdata', BASE + 0x400000n],
  ['_end', BASE + 0x7000000n],
]);

/** Tokens 1 to 127 are ASCII characters; these are the longer ones. */
const LONG_TOKENS: Record<number, string> = {
  200: 'T_',
  201: 'text',
  202: 'init_',
  203: 'Dini',
  255: 'data',
};

interface Options {
  readonly encoding?: Encoding;
  readonly symbols?: readonly TableSymbol[];
  readonly littleEndian?: boolean;
  readonly count?: number;
}

/** Memory with a symbol table in it, page by page, so that a test can damage bytes and take pages away. */
class Kernel {
  readonly pages = new Map<bigint, Buffer>();
  readonly location: KallsymsLocation;
  readonly littleEndian: boolean;
  namesBytes = 0;
  reads = 0;

  constructor({ encoding = 'base-relative', symbols = SYMBOLS, littleEndian = true, count }: Options = {}) {
    this.littleEndian = littleEndian;
    this.number(AT.kallsyms_num_syms, 4, BigInt(count ?? symbols.length));
    this.number(AT.kallsyms_relative_base, 8, BASE);
    const tokens = Array.from({ length: 256 }, (_, i) => LONG_TOKENS[i] ?? (i < 128 ? latin1(i) : ''));
    tokens[0] = '';
    let start = 0;
    for (const [i, token] of tokens.entries()) {
      this.write(AT.kallsyms_token_table + BigInt(start), Buffer.from(`${token}\0`, 'latin1'));
      this.number(AT.kallsyms_token_index + BigInt(2 * i), 2, BigInt(start));
      start += token.length + 1;
    }
    for (const [i, symbol] of symbols.entries()) {
      const text = (symbol.type ?? 'T') + symbol.name;
      const data = compress(text, tokens);
      const length = data.length < 128 ? [data.length] : [(data.length & 0x7f) | 0x80, data.length >> 7];
      this.write(AT.kallsyms_names + BigInt(this.namesBytes), Buffer.from([...length, ...data]));
      this.namesBytes += length.length + data.length;
      const place = AT.kallsyms_offsets + 4n * BigInt(i);
      this.number(place, 4, encode(encoding, symbol.vaddr, place));
    }
    const { kallsyms_relative_base: _, ...withoutBase } = AT;
    this.location = encoding === 'place-relative' ? withoutBase : AT;
  }

  number(vaddr: bigint, size: number, value: bigint): void {
    const bytes = Buffer.alloc(8);
    if (this.littleEndian) bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
    else bytes.writeBigUInt64BE(BigInt.asUintN(64, value << BigInt(8 * (8 - size))));
    this.write(vaddr, bytes.subarray(0, size));
  }

  write(vaddr: bigint, bytes: Buffer): void {
    for (const [i, byte] of bytes.entries()) {
      const at = vaddr + BigInt(i);
      const page = this.pages.get(at >> 12n) ?? Buffer.alloc(4096);
      this.pages.set(at >> 12n, page);
      page[Number(at & 0xfffn)] = byte;
    }
  }

  drop(vaddr: bigint): void {
    this.pages.delete(vaddr >> 12n);
  }

  readonly read: ReadVirtual = (vaddr, length) => {
    this.reads++;
    const pieces: Buffer[] = [];
    for (let at = vaddr; at < vaddr + BigInt(length); at = ((at >> 12n) + 1n) << 12n) {
      const page = this.pages.get(at >> 12n);
      if (!page) return undefined;
      pieces.push(page.subarray(Number(at & 0xfffn)));
    }
    return Buffer.concat(pieces).subarray(0, length);
  };

  find(known = KNOWN, names = NAMES, location = this.location) {
    return findSymbols(this.read, location, known, names, this.littleEndian);
  }
}

const latin1 = (code: number) => String.fromCharCode(code);

function encode(encoding: Encoding, vaddr: bigint, place: bigint): bigint {
  if (encoding === 'place-relative') return BigInt.asUintN(32, vaddr - place);
  if (encoding === 'base-relative') return BigInt.asUintN(32, vaddr - BASE);
  return BigInt.asUintN(32, vaddr < 0x80000000n ? vaddr : BASE - 1n - vaddr);
}

/** Token numbers that make the text, the longest token first. */
function compress(text: string, tokens: readonly string[]): number[] {
  const data: number[] = [];
  for (let at = 0; at < text.length; ) {
    let best = text.charCodeAt(at);
    for (const [i, token] of tokens.entries())
      if (text.startsWith(token, at) && token.length > tokens[best].length) best = i;
    data.push(best);
    at += tokens[best].length;
  }
  return data;
}

describe('a hand-built kallsyms table', () => {
  for (const encoding of ['base-relative', 'absolute-percpu', 'place-relative'] as const) {
    it(`is read where its offsets are ${encoding}`, () => {
      expect(new Kernel({ encoding }).find()).toEqual(FOUND);
    });
    it(`is read where its offsets are ${encoding}, on a big-endian machine`, () => {
      expect(new Kernel({ encoding, littleEndian: false }).find()).toEqual(FOUND);
    });
  }

  it('has symbols on both sides of it where its offsets are place-relative', () => {
    const kernel = new Kernel({ encoding: 'place-relative' });
    expect(kernel.find()?.get('_text')).toBeLessThan(AT.kallsyms_offsets);
    expect(kernel.find()?.get('_end')).toBeGreaterThan(AT.kallsyms_offsets);
  });

  it('keeps absolute per-CPU offsets as they are', () => {
    const symbols = [{ name: 'cpu_hot', vaddr: 0x1a40n, type: 'A' }, ...SYMBOLS];
    const kernel = new Kernel({ encoding: 'absolute-percpu', symbols });
    expect(kernel.find(KNOWN, ['cpu_hot', '_end'])).toEqual(
      new Map([
        ['cpu_hot', 0x1a40n],
        ['_end', BASE + 0x7000000n],
      ]),
    );
  });

  it('may have names with two bytes of length, wanted or not', () => {
    const long = `_RNv${'x'.repeat(200)}`;
    const longest = `a${'b'.repeat(0x3ffd)}`;
    const symbols = SYMBOLS.toSpliced(
      3,
      0,
      { name: long, vaddr: BASE + 0x1234n },
      { name: longest, vaddr: BASE + 0x2000n },
    );
    expect(new Kernel({ symbols }).find(KNOWN, [...NAMES, long, longest])).toEqual(
      new Map([...FOUND, [long, BASE + 0x1234n], [longest, BASE + 0x2000n]]),
    );
  });

  it('is read in large pieces', () => {
    const filler = Array.from({ length: 20_000 }, (_, i) => ({
      name: `function_${i}`,
      vaddr: BASE + 0x100n,
    }));
    const kernel = new Kernel({ symbols: SYMBOLS.toSpliced(3, 0, ...filler) });
    for (let page = 0n; page < 32n; page++)
      kernel.number(AT.kallsyms_names + BigInt(kernel.namesBytes) + 4096n * page, 1, 0n);
    expect(kernel.find()).toEqual(FOUND);
    expect(kernel.namesBytes).toBeGreaterThan(3 * 65536);
    expect(kernel.reads).toBeLessThan(30);
  });

  it('leaves out a name that two symbols share, unless they have one address', () => {
    const symbols = SYMBOLS.toSpliced(
      3,
      0,
      { name: 'init', vaddr: BASE + 0x100n },
      { name: 'init', vaddr: BASE + 0x200n },
      { name: 'exit', vaddr: BASE + 0x300n },
      { name: 'exit', vaddr: BASE + 0x300n },
    );
    expect(new Kernel({ symbols }).find(KNOWN, ['init', 'exit'])).toEqual(new Map([['exit', BASE + 0x300n]]));
  });

  it('leaves out a name that very many symbols have, and no other', () => {
    const many = (symbol: (typeof SYMBOLS)[number]) => Array.from({ length: 11_000 }, () => symbol);
    const flooded = { name: 'init', vaddr: BASE + 0x100n };
    const symbols = SYMBOLS.toSpliced(3, 0, ...many(flooded));
    expect(new Kernel({ symbols }).find(KNOWN, [...NAMES, 'init'])).toEqual(FOUND);
    // Known ones among them: the address that is known may be that of a later one.
    const statics = SYMBOLS.toSpliced(3, 0, ...many({ name: 'init_uts_ns', vaddr: BASE + 0x100n }));
    const enough = [...KNOWN, { name: '_end', vaddr: SYMBOLS.find(({ name }) => name === '_end')!.vaddr }];
    expect(new Kernel({ symbols: statics }).find(enough)).toEqual(FOUND);
  });

  it('may have a static namesake of a known symbol, and lack a known symbol', () => {
    const symbols = SYMBOLS.toSpliced(3, 0, { name: 'init_uts_ns', vaddr: BASE + 0x100n, type: 'd' });
    expect(new Kernel({ symbols }).find([...KNOWN, { name: 'swapper_pg_dir', vaddr: 1n }])).toEqual(FOUND);
  });
});

describe('no answer is given', () => {
  it('without the keys, as before v6.0', () => {
    const kernel = new Kernel();
    expect(kernel.find(KNOWN, NAMES, {})).toBeUndefined();
    for (const key of Object.keys(AT).filter((key) => key !== 'kallsyms_relative_base'))
      expect(kernel.find(KNOWN, NAMES, { ...AT, [key]: undefined })).toBeUndefined();
  });

  it('if a known symbol comes out wrong, or too few are known to tell', () => {
    expect(new Kernel().find([...KNOWN, { name: '_end', vaddr: BASE }])).toBeUndefined();
    expect(new Kernel().find(KNOWN.slice(0, 1))).toBeUndefined();
    expect(new Kernel().find([])).toBeUndefined();
  });

  it('if the offsets are all zero, although _stext is the base', () => {
    const kernel = new Kernel();
    for (const i of SYMBOLS.keys()) kernel.number(AT.kallsyms_offsets + BigInt(4 * i), 4, 0n);
    expect(kernel.find()).toBeUndefined();
  });

  it('if an offset puts a symbol out of the order of addresses', () => {
    const kernel = new Kernel();
    kernel.number(AT.kallsyms_offsets + 12n, 4, 0x600000n);
    expect(kernel.find()).toBeUndefined();
  });

  it('if the number of symbols cannot be, and then the names are not read', () => {
    for (const count of [0, 4_000_001, 0xffffffff]) {
      const kernel = new Kernel({ count });
      const asked: bigint[] = [];
      const read: ReadVirtual = (vaddr, length) => {
        asked.push(vaddr);
        return kernel.read(vaddr, length);
      };
      expect(findSymbols(read, AT, KNOWN, NAMES)).toBeUndefined();
      expect(asked.filter((vaddr) => vaddr >= AT.kallsyms_names)).toEqual([]);
    }
  });

  it('if there are fewer names than symbols', () => {
    expect(new Kernel({ count: SYMBOLS.length + 1 }).find()).toBeUndefined();
    expect(new Kernel({ count: 3_999_999 }).find()).toBeUndefined();
  });

  it('if a token starts outside the token table, or not where the one before it ends', () => {
    for (const [token, start] of [
      [255, 0xffff],
      [255, 0],
      [100, 3],
      [0, 1],
    ]) {
      const kernel = new Kernel();
      kernel.number(AT.kallsyms_token_index + BigInt(2 * token), 2, BigInt(start));
      expect(kernel.find()).toBeUndefined();
    }
  });

  it('if the last token has no end', () => {
    const kernel = new Kernel();
    kernel.write(AT.kallsyms_token_table + 128n, Buffer.alloc(8192, 'x'));
    expect(kernel.find()).toBeUndefined();
  });

  it('if a table is not in the dump', () => {
    for (const vaddr of Object.values(AT)) {
      const kernel = new Kernel();
      kernel.drop(vaddr);
      expect(kernel.find()).toBeUndefined();
    }
  });

  it('if the second page of the names is not in the dump', () => {
    const kernel = new Kernel();
    kernel.drop(AT.kallsyms_names + 4096n);
    expect(kernel.find()).toBeUndefined();
  });

  it('if the reader gives fewer bytes than it was asked for', () => {
    const kernel = new Kernel();
    const short: ReadVirtual = (vaddr, length) => kernel.read(vaddr, length)?.subarray(0, length - 1);
    expect(findSymbols(short, AT, KNOWN, NAMES)).toBeUndefined();
  });

  it('if the names do not end, after 64 MiB of them', () => {
    const kernel = new Kernel({ count: 4_000_000 });
    const endless = Buffer.alloc(65536, Buffer.from([0x7f, ...Buffer.alloc(127, 'T')]));
    let bytesRead = 0;
    const read: ReadVirtual = (vaddr, length) => {
      bytesRead += length;
      return vaddr >= AT.kallsyms_names ? endless.subarray(0, length) : kernel.read(vaddr, length);
    };
    expect(findSymbols(read, AT, KNOWN, NAMES)).toBeUndefined();
    expect(bytesRead).toBeLessThan(65 * 1024 * 1024);
  });

  it('and nothing is thrown, whatever the bytes are', () => {
    const garbage = fc.uint8Array({ minLength: 1, maxLength: 64 });
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(AT)), fc.nat(300), garbage, (vaddr, skip, bytes) => {
        const kernel = new Kernel();
        kernel.write(vaddr + BigInt(skip), Buffer.from(bytes));
        expect(() => kernel.find()).not.toThrow();
        for (const name of kernel.find()?.keys() ?? []) expect(NAMES).toContain(name);
      }),
      { numRuns: 200 },
    );
  });
});

/** An unpacked ELF dump: its VMCOREINFO, and a reader for addresses in the kernel image, which need no page table. */
function openDump(path: string) {
  const fd = openSync(path, 'r');
  const at = (position: number, length: number) => {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(fd, bytes, 0, length, position));
  };
  const header = at(0, 64);
  const headers = at(Number(header.readBigUInt64LE(32)), 56 * header.readUInt16LE(56));
  const info = new Map<string, string>();
  const segments: { paddr: bigint; offset: bigint; size: bigint }[] = [];
  for (let i = 0; i < headers.length; i += 56) {
    const [offset, , paddr, size] = [8, 16, 24, 32].map((field) => headers.readBigUInt64LE(i + field));
    if (headers.readUInt32LE(i) === 1) segments.push({ paddr, offset, size });
    if (headers.readUInt32LE(i) !== 4) continue;
    const text = at(Number(offset), Number(size)).toString('latin1');
    const start = text.indexOf('OSRELEASE=');
    for (const line of text.slice(start, text.indexOf('\0', start)).split('\n')) {
      const [key, value = ''] = line.split('=');
      info.set(key, value);
    }
  }
  const toPhysical = BigInt(info.get('NUMBER(phys_base)') ?? 0) - 0xffffffff80000000n;
  const read: ReadVirtual = (vaddr, length) => {
    const paddr = vaddr + toPhysical;
    const segment = segments.find((s) => s.paddr <= paddr && paddr + BigInt(length) <= s.paddr + s.size);
    return segment && at(Number(segment.offset + paddr - segment.paddr), length);
  };
  const symbol = (name: string) => {
    const value = info.get(`SYMBOL(${name})`);
    return value === undefined ? undefined : BigInt(`0x${value}`);
  };
  return { read, symbol, close: () => closeSync(fd) };
}

const FIXTURES = process.env.SMELT_FIXTURES_UNPACKED ?? join(homedir(), '.cache/smelt/fixtures');

describe('the kallsyms table of a real kernel', () => {
  const locate = (dump: ReturnType<typeof openDump>) =>
    Object.fromEntries(Object.keys(AT).map((key) => [key, dump.symbol(key)])) as KallsymsLocation;

  for (const name of ['x86_64-6.1-4level', 'x86_64-6.1-proc-vmcore', 'x86_64-6.12-la57', 'x86_64-7.3-la57']) {
    const path = join(FIXTURES, `${name}.elf`);
    it.skipIf(!existsSync(path))(`gives the addresses that VMCOREINFO gives: ${name} (${path})`, () => {
      const dump = openDump(path);
      try {
        const find = (known: string[], names: string[]) => {
          const symbols = known.map((name) => ({ name, vaddr: dump.symbol(name) ?? 0n }));
          return findSymbols(dump.read, locate(dump), symbols, names);
        };
        const checked = ['_stext', 'init_uts_ns', 'init_top_pgt'];
        const found = find(['node_online_map', 'clear_seq', 'node_data'], checked);
        expect(found).toEqual(new Map(checked.map((name) => [name, dump.symbol(name)])));
        expect(found?.get('init_top_pgt')).toBe(dump.symbol('swapper_pg_dir'));

        const sections = [
          '_text',
          '_etext',
          '__start_rodata',
          '__end_rodata',
          '_sdata',
          '_edata',
          '__bss_start',
          '__bss_stop',
          '_end',
        ];
        const image = find(['_stext', 'init_uts_ns', 'swapper_pg_dir'], sections);
        expect([...(image?.keys() ?? [])]).toEqual(sections);
        const vaddrs = [...(image?.values() ?? [])];
        expect(vaddrs).toEqual(vaddrs.toSorted((a, b) => (a < b ? -1 : 1)));
      } finally {
        dump.close();
      }
    });
  }

  const old = join(FIXTURES, 'x86_64-5.10-4level.elf');
  it.skipIf(!existsSync(old))(`is not located by the VMCOREINFO of 5.10 (${old})`, () => {
    const dump = openDump(old);
    expect(findSymbols(dump.read, locate(dump), KNOWN, NAMES)).toBeUndefined();
    dump.close();
  });
});
