/** zstd: one frame a page, its content size in the header. libzstd natively; zstd-codec, its WebAssembly build, otherwise. */
import { requireRoom } from '../native/block-library.ts';
import { openLibzstd } from '../native/libzstd.ts';
import type { CodecMaker, PageCodec } from './codec.ts';
import { DEFAULT_LEVEL } from './levels.ts';
import { nativeMaker } from './native-codec.ts';
import {
  loadZstdWasm,
  type WasmBinding,
  type WasmModule,
  type WasmVector,
  type WasmZstd,
} from './zstd-wasm.ts';

export const zstdNative: CodecMaker = nativeMaker('zstd', (level = DEFAULT_LEVEL) => openLibzstd(level));

export const zstdPortable: CodecMaker = {
  name: 'zstd',
  kind: 'portable',
  async create(level = DEFAULT_LEVEL) {
    const loaded = await loadZstdWasm();
    return 'unavailable' in loaded ? loaded : new WasmCodec(loaded, level);
  },
};

/**
 * The largest block given to the module, twice the largest page of any architecture. The module has 16 MiB for good and is
 * dead once it ran out of them (level 15 does at 1 MiB), so nothing that a file says may decide how much it allocates.
 */
const LARGEST_BLOCK = 1 << 17;

class WasmCodec implements PageCodec {
  readonly name = 'zstd';
  readonly kind = 'portable';
  readonly maker: string;
  readonly #level: number;
  readonly #zstd: WasmZstd;
  readonly #source: WasmBuffer;
  readonly #target: WasmBuffer;
  #closed = false;

  constructor({ binding, version }: WasmModule, level: number) {
    this.maker = `zstd-codec ${version}`;
    this.#level = level;
    this.#zstd = new binding.ZstdCodec();
    this.#source = new WasmBuffer(binding);
    this.#target = new WasmBuffer(binding);
  }

  compress(source: Uint8Array, out: Uint8Array, at = 0, size = source.length - at, outAt = 0): number {
    // Its zstd is of 2018 and may write past a target smaller than the bound (CVE-2019-11922): the target never is.
    const bound = this.outSize(size);
    requireRoom(this.maker, out.length - outAt, bound);
    if (size === 0 || size > LARGEST_BLOCK) return 0;
    this.#source.fill(source.subarray(at, at + size));
    this.#target.setLength(bound);
    const written = this.#zstd.compress(this.#target.vector, this.#source.vector, this.#level);
    if (written <= 0 || written >= size) return 0;
    out.set(this.#target.take(written), outAt);
    return written;
  }

  decompress(input: Uint8Array, out: Uint8Array): number {
    if (input.length === 0 || input.length > LARGEST_BLOCK || out.length > LARGEST_BLOCK) return -1;
    this.#source.fill(input);
    // ZSTD_decompress is told the target's length and keeps to it whatever size the frame claims.
    this.#target.setLength(out.length);
    const written = this.#tryDecompress();
    if (written < 0 || written > out.length) return -1;
    out.set(this.#target.take(written));
    return written;
  }

  #tryDecompress(): number {
    try {
      return this.#zstd.decompress(this.#target.vector, this.#source.vector);
    } catch {
      return -1; // the module trapped: no frame is known to make it, but frames are untrusted
    }
  }

  /** ZSTD_COMPRESSBOUND of zstd.h. */
  outSize(pageSize: number): number {
    const small = pageSize < 131072 ? (131072 - pageSize) >>> 11 : 0;
    return pageSize + (pageSize >>> 8) + small;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#source.close();
    this.#target.close();
    this.#zstd.delete();
  }
}

/** A vector in the module's memory and our view of it. */
class WasmBuffer {
  readonly vector: WasmVector;
  readonly #binding: WasmBinding;
  #view: Uint8Array = new Uint8Array(0);
  #length = 0;

  constructor(binding: WasmBinding) {
    this.#binding = binding;
    this.vector = new binding.VectorU8();
  }

  fill(bytes: Uint8Array): void {
    this.setLength(bytes.length);
    this.#view.set(bytes);
  }

  /** The vector's length is what zstd takes as the block's. Within what it once had it neither moves nor allocates. */
  setLength(length: number): void {
    if (length === this.#length) return;
    this.vector.resize(length, 0);
    this.#length = length;
    if (length > this.#view.length) this.#view = this.#binding.toTypedArrayView(this.vector);
  }

  take(length: number): Uint8Array {
    return this.#view.subarray(0, length);
  }

  close(): void {
    this.vector.delete();
  }
}
