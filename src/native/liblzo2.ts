/** liblzo2.so.2: LZO1X-1 blocks, made and unmade by the reference library. */
import { SmeltError } from '../errors.ts';
import { type Address, AddressBook } from './address.ts';
import { type BlockLibrary, requireRoom } from './block-library.ts';
import { bindLibrary, type Unavailable } from './koffi.ts';
import { SizeCell } from './size-cell.ts';

interface Lzo {
  init: (
    version: number,
    ...sizes: [number, number, number, number, number, number, number, number, number]
  ) => number;
  version: () => string;
  compress: (src: Address, srcSize: number, dst: Address, dstSize: Address, work: Address) => number;
  decompress: (src: Uint8Array, srcSize: number, dst: Uint8Array, dstSize: Uint32Array, work: null) => number;
}

const LZO_E_OK = 0;
/** LZO1X_1_MEM_COMPRESS is 16384 pointers (lzo1x.h); 8 bytes each is enough everywhere. */
const WORK_BYTES = 16384 * 8;

let bound: { functions: Lzo } | Unavailable | undefined;

function bind(): { functions: Lzo } | Unavailable {
  bound ??= bindLibrary('liblzo2.so.2', (lib) => {
    const functions: Lzo = {
      init: lib.func(
        'int __lzo_init_v2(unsigned int v, int s1, int s2, int s3, int s4, int s5, int s6, int s7, int s8, int s9)',
      ),
      version: lib.func('const char *lzo_version_string()'),
      compress: lib.func(
        'int lzo1x_1_compress(uintptr_t src, size_t srcSize, uintptr_t dst, uintptr_t dstSize, uintptr_t work)',
      ),
      decompress: lib.func(
        'int lzo1x_decompress_safe(const void *src, size_t srcSize, void *dst, void *dstSize, void *work)',
      ),
    };
    // What the macro lzo_init() does; -1 skips the comparison of a C type's size, for we were not compiled against its header.
    const result = functions.init(1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    if (result !== LZO_E_OK) throw new Error(`lzo_init returned ${result}`);
    return functions;
  });
  return bound;
}

/** liblzo2, or why it cannot be had. LZO1X-1 has no levels. */
export function openLiblzo2(): BlockLibrary | Unavailable {
  const loaded = bind();
  return 'unavailable' in loaded ? loaded : new Liblzo2(loaded.functions);
}

class Liblzo2 implements BlockLibrary {
  readonly library: string;
  readonly #lzo: Lzo;
  readonly #size = new SizeCell();
  readonly #sources = new AddressBook();
  readonly #targets = new AddressBook();
  readonly #works = new AddressBook();
  #work: Uint8Array | undefined = new Uint8Array(new ArrayBuffer(WORK_BYTES));

  constructor(lzo: Lzo) {
    this.#lzo = lzo;
    this.library = `liblzo2 ${lzo.version()}`;
  }

  /** LZO.FAQ: output_block_size = input_block_size + (input_block_size / 16) + 64 + 3. */
  bound(size: number): number {
    return size + (size >>> 4) + 67;
  }

  compress(
    source: Uint8Array,
    at: number,
    size: number,
    out: Uint8Array,
    outAt: number,
    room: number,
  ): number {
    // lzo1x_1_compress is the one call here that takes no limit for its output.
    requireRoom(this.library, room, this.bound(size));
    const from = this.#sources.of(source, at, size);
    const work = this.#works.of(this.#openWork(), 0, WORK_BYTES);
    const to = this.#targets.of(out, outAt, room);
    const result = this.#lzo.compress(from, size, to, this.#size.address, work);
    return result === LZO_E_OK ? this.#size.value : -1;
  }

  decompress(input: Uint8Array, out: Uint8Array): number {
    this.#openWork();
    this.#size.value = out.length;
    const result = this.#lzo.decompress(input, input.length, out, this.#size.words, null);
    return result === LZO_E_OK ? this.#size.value : -1;
  }

  close(): void {
    this.#work = undefined;
  }

  #openWork(): Uint8Array {
    if (this.#work === undefined)
      throw new SmeltError('INTERNAL', `${this.library} was used after it was closed`);
    return this.#work;
  }
}
