/** What we use of zstd-codec: its Emscripten binding, below its own API, which allocates for every call and throws on bad frames. */
import type { Unavailable } from './codec.ts';
import { loadPackage } from './npm-package.ts';

/** A std::vector<uint8_t> inside the module's own 16 MiB of memory. */
export interface WasmVector {
  size(): number;
  resize(size: number, fill: number): void;
  delete(): void;
}

/** Compression and decompression from vector to vector; the result is the number of bytes, or negative for an error. */
export interface WasmZstd {
  compressBound(size: number): number;
  compress(target: WasmVector, source: WasmVector, level: number): number;
  decompress(target: WasmVector, source: WasmVector): number;
  delete(): void;
}

export interface WasmBinding {
  VectorU8: new () => WasmVector;
  ZstdCodec: new () => WasmZstd;
  /** The vector's bytes without a copy; good until the vector grows. */
  toTypedArrayView(vector: WasmVector): Uint8Array;
}

export interface WasmModule {
  readonly binding: WasmBinding;
  readonly version: string;
}

interface BindingLoader {
  run(ready: (binding: WasmBinding) => void): void;
}

let loading: Promise<WasmModule | Unavailable> | undefined;

/** zstd-codec's module, compiled once a thread (some 50 ms), or why it cannot be had. */
export function loadZstdWasm(): Promise<WasmModule | Unavailable> {
  loading ??= load();
  return loading;
}

async function load(): Promise<WasmModule | Unavailable> {
  const loaded = loadPackage<BindingLoader>('zstd-codec', 'lib/module.js');
  if ('unavailable' in loaded) return loaded;
  // The module is itself a thenable that resolves to itself, so it must not be what a promise resolves with.
  return new Promise((resolve) => {
    loaded.module.run((binding) => resolve({ binding, version: loaded.version }));
  });
}
