/** Makes a PageCodec of a bound system library: the rules all codecs share, in one place. */
import type { BlockLibrary } from '../native/block-library.ts';
import { requireRoom } from '../native/block-library.ts';
import type { CodecMaker, CodecName, PageCodec, Unavailable } from './codec.ts';

/** The native maker of a codec, given how its library is opened at a level. */
export function nativeMaker(
  name: CodecName,
  open: (level: number | undefined) => BlockLibrary | Unavailable,
): CodecMaker {
  return {
    name,
    kind: 'native',
    async create(level) {
      const library = open(level);
      return 'unavailable' in library ? library : new NativeCodec(name, library);
    },
  };
}

class NativeCodec implements PageCodec {
  readonly name: CodecName;
  readonly kind = 'native';
  readonly maker: string;
  readonly #library: BlockLibrary;
  #boundOf = -1;
  #bound = 0;

  constructor(name: CodecName, library: BlockLibrary) {
    this.name = name;
    this.maker = library.library;
    this.#library = library;
  }

  compress(source: Uint8Array, out: Uint8Array, at = 0, size = source.length - at, outAt = 0): number {
    const room = out.length - outAt;
    requireRoom(this.maker, room, this.outSize(size));
    if (size === 0) return 0;
    const written = this.#library.compress(source, at, size, out, outAt, room);
    return written > 0 && written < size ? written : 0;
  }

  decompress(input: Uint8Array, out: Uint8Array): number {
    return input.length === 0 ? -1 : this.#library.decompress(input, out);
  }

  outSize(pageSize: number): number {
    // Pages of a dump are all of one size: ask the library once.
    if (pageSize !== this.#boundOf) {
      this.#bound = this.#library.bound(pageSize);
      this.#boundOf = pageSize;
    }
    return this.#bound;
  }

  close(): void {
    this.#library.close();
  }
}
