/** What every page compressor looks like, whoever makes it: one interface, a native and a portable maker for each codec. */

export const CODEC_NAMES = ['zstd', 'zlib', 'lzo', 'snappy'] as const;
export type CodecName = (typeof CODEC_NAMES)[number];

export const MAKER_KINDS = ['native', 'portable'] as const;
export type MakerKind = (typeof MAKER_KINDS)[number];

/** One thread's compressor and decompressor of single pages. It holds its contexts and is never shared. */
export interface PageCodec {
  readonly name: CodecName;
  readonly kind: MakerKind;
  /** The library and its version as a person would name it: "libzstd 1.5.4", "zstd-codec 0.1.5". */
  readonly maker: string;
  /**
   * Compresses the page of `size` bytes that begins in `source` at `at` (default: all of it) into `out` from `outAt` on,
   * and returns the number of bytes, or 0 when they would not be fewer than the page's own (the page is then to be
   * stored raw). `out` has at least `outSize(size)` bytes from there on. Places instead of views: a view a page is
   * garbage a page. Both buffers are best the same ones in every call.
   */
  compress(source: Uint8Array, out: Uint8Array, at?: number, size?: number, outAt?: number): number;
  /**
   * Decompresses `input` into the start of `out`, never past its end. Returns the number of bytes, or -1 when the
   * input is not a whole valid stream or would not fit. `input` is untrusted.
   */
  decompress(input: Uint8Array, out: Uint8Array): number;
  /** How many bytes `compress` may need in `out` for a page of this size. */
  outSize(pageSize: number): number;
  close(): void;
}

/** Says whether a codec can be made here, and makes it. */
export interface CodecMaker {
  readonly name: CodecName;
  readonly kind: MakerKind;
  /** The codec at a level (undefined: the codec's default of one page at a time, level 1 for zstd and zlib), or why it cannot be had. */
  create(level: number | undefined): Promise<PageCodec | Unavailable>;
}

export interface Unavailable {
  /** "libzstd.so.1 is not installed". */
  readonly unavailable: string;
}
