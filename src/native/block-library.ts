/** What a compression library looks like once it is bound: whole blocks in, whole blocks out, lengths taken from the views alone. */
import { SmeltError } from '../errors.ts';
import type { Pointer } from './koffi.ts';

/**
 * One thread's use of a library, with its contexts. Every length handed to C is the length of the very view that is handed
 * over with it, so a pointer cannot outrun its buffer.
 */
export interface BlockLibrary {
  /** The library as a person names it, with its version where it tells: "libzstd 1.5.4". */
  readonly library: string;
  /** The room `compress` needs for a block of this size. */
  bound(size: number): number;
  /** Compresses all of `block`; the number of bytes, or -1 when the library refuses or the result is of no use (not smaller). */
  compress(block: Uint8Array, out: Uint8Array): number;
  /** Decompresses all of `input`; the number of bytes, or -1 when it is not one whole valid stream or does not fit. */
  decompress(input: Uint8Array, out: Uint8Array): number;
  /** Frees the contexts. Any use afterwards throws. */
  close(): void;
}

/** Stops a call that could write past `out`: a mistake of ours, never of a file. */
export function requireRoom(library: string, out: Uint8Array, needed: number): void {
  if (out.length >= needed) return;
  throw new SmeltError('INTERNAL', `${library} needs ${needed} bytes of room, saw ${out.length}`);
}

/** A pointer that must be there: C returns null where memory is out, and we hold undefined once closed. */
export function requirePointer(library: string, pointer: Pointer | null | undefined): Pointer {
  if (pointer) return pointer;
  const what = pointer === undefined ? 'was used after it was closed' : 'could not allocate its context';
  throw new SmeltError('INTERNAL', `${library} ${what}`);
}
