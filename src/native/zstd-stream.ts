/** libzstd for what is too large to be unpacked in one piece: bytes in as they come, bytes out as they are ready. */
import { requirePointer } from './block-library.ts';
import { bindLibrary, type Pointer, type Unavailable } from './koffi.ts';
import { SizeCell } from './size-cell.ts';

const OUT_BYTES = 2 ** 20;

interface ZstdStreams {
  create: () => Pointer | null;
  free: (stream: Pointer) => number | bigint;
  decompress: (
    stream: Pointer,
    dst: Uint8Array,
    dstSize: number,
    dstPos: Uint32Array,
    src: Uint8Array,
    srcSize: number,
    srcPos: Uint32Array,
  ) => number | bigint;
}

export interface ZstdStream {
  /** What the next bytes unpack to; each piece is valid until the next one. @throws Error where they are no zstd */
  unpack(bytes: Uint8Array): Generator<Uint8Array>;
  close(): void;
}

export function openZstdStream(): ZstdStream | Unavailable {
  const loaded = bindLibrary<ZstdStreams>('libzstd.so.1', (lib) => ({
    create: lib.func('void *ZSTD_createDStream()'),
    free: lib.func('size_t ZSTD_freeDStream(void *stream)'),
    decompress: lib.func(
      'size_t ZSTD_decompressStream_simpleArgs(void *stream, void *dst, size_t dstSize, void *dstPos, const void *src, size_t srcSize, void *srcPos)',
    ),
  }));
  if ('unavailable' in loaded) return loaded;
  const zstd = loaded.functions;
  let stream: Pointer | undefined = requirePointer('libzstd', zstd.create());
  const out = new Uint8Array(OUT_BYTES);
  const [made, taken] = [new SizeCell(), new SizeCell()];
  return {
    *unpack(bytes) {
      taken.value = 0;
      do {
        made.value = 0;
        const left = zstd.decompress(
          stream ?? requirePointer('libzstd', undefined),
          out,
          out.length,
          made.words,
          bytes,
          bytes.length,
          taken.words,
        );
        // Errors are the top of size_t, which koffi gives as a bigint.
        if (typeof left !== 'number') throw new Error('it is not zstd, or damaged');
        yield out.subarray(0, made.value);
        // A full buffer may mean that there is more, of bytes that were all taken.
      } while (taken.value < bytes.length || made.value === out.length);
    },
    close() {
      if (stream !== undefined) zstd.free(stream);
      stream = undefined;
    },
  };
}
