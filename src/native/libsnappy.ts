/** libsnappy.so.1, through its C interface: raw snappy blocks. */
import { type Address, AddressBook } from './address.ts';
import { type BlockLibrary, requireRoom } from './block-library.ts';
import { bindLibrary, type Unavailable } from './koffi.ts';
import { SizeCell } from './size-cell.ts';

interface Snappy {
  bound: (size: number) => number;
  compress: (src: Address, srcSize: number, dst: Address, dstSize: Address) => number;
  uncompressedLength: (src: Uint8Array, srcSize: number, size: Uint32Array) => number;
  uncompress: (src: Uint8Array, srcSize: number, dst: Uint8Array, dstSize: Uint32Array) => number;
}

const SNAPPY_OK = 0;

let bound: { functions: Snappy } | Unavailable | undefined;

function bind(): { functions: Snappy } | Unavailable {
  bound ??= bindLibrary('libsnappy.so.1', (lib) => ({
    bound: lib.func('size_t snappy_max_compressed_length(size_t size)'),
    compress: lib.func(
      'int snappy_compress(uintptr_t src, size_t srcSize, uintptr_t dst, uintptr_t dstSize)',
    ),
    uncompressedLength: lib.func(
      'int snappy_uncompressed_length(const void *src, size_t srcSize, void *size)',
    ),
    uncompress: lib.func('int snappy_uncompress(const void *src, size_t srcSize, void *dst, void *dstSize)'),
  }));
  return bound;
}

/** libsnappy, or why it cannot be had. It has no levels, and its C interface does not tell its version. */
export function openLibsnappy(): BlockLibrary | Unavailable {
  const loaded = bind();
  return 'unavailable' in loaded ? loaded : new Libsnappy(loaded.functions);
}

class Libsnappy implements BlockLibrary {
  readonly library = 'libsnappy';
  readonly #snappy: Snappy;
  readonly #size = new SizeCell();
  readonly #sources = new AddressBook();
  readonly #targets = new AddressBook();

  constructor(snappy: Snappy) {
    this.#snappy = snappy;
  }

  bound(size: number): number {
    return this.#snappy.bound(size);
  }

  compress(
    source: Uint8Array,
    at: number,
    size: number,
    out: Uint8Array,
    outAt: number,
    room: number,
  ): number {
    requireRoom(this.library, room, this.bound(size));
    const from = this.#sources.of(source, at, size);
    const to = this.#targets.of(out, outAt, room);
    this.#size.value = room;
    const result = this.#snappy.compress(from, size, to, this.#size.address);
    return result === SNAPPY_OK ? this.#size.value : -1;
  }

  decompress(input: Uint8Array, out: Uint8Array): number {
    const { words } = this.#size;
    if (this.#snappy.uncompressedLength(input, input.length, words) !== SNAPPY_OK) return -1;
    if (this.#size.value > out.length) return -1;
    this.#size.value = out.length;
    return this.#snappy.uncompress(input, input.length, out, words) === SNAPPY_OK ? this.#size.value : -1;
  }

  /** snappy keeps no context between calls. */
  close(): void {}
}
