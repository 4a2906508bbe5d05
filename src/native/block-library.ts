/** What a compression library looks like once it is bound: whole blocks in, whole blocks out, lengths taken from the views alone. */
import { SmeltError } from '../errors.ts';
import type { Pointer } from './koffi.ts';

/**
 * One thread's use of a library, with its contexts. Every length handed to C is that of a view handed over with it, or was
 * checked against its buffer where the address was made (AddressBook), so a pointer cannot outrun its buffer.
 */
export interface BlockLibrary {
  /** The library as a person names it, with its version where it tells: "libzstd 1.5.4". */
  readonly library: string;
  /** The room `compress` needs for a block of this size. */
  bound(size: number): number;
  /**
   * Compresses `size` bytes of `source` from `at` into `out` from `outAt`, where `room` bytes may be used; the number of
   * bytes, or -1 when the library refuses or the result is of no use (not smaller).
   */
  compress(
    source: Uint8Array,
    at: number,
    size: number,
    out: Uint8Array,
    outAt: number,
    room: number,
  ): number;
  /** Decompresses all of `input`; the number of bytes, or -1 when it is not one whole valid stream or does not fit. */
  decompress(input: Uint8Array, out: Uint8Array): number;
  /** Frees the contexts. Any use afterwards throws. */
  close(): void;
}

/** Stops a call that could write past `out`: a mistake of ours, never of a file. */
export function requireRoom(library: string, room: number, needed: number): void {
  if (room >= needed) return;
  throw new SmeltError('INTERNAL', `${library} needs ${needed} bytes of room, saw ${room}`);
}

/** A pointer that must be there: C returns null where memory is out, and we hold undefined once closed. */
export function requirePointer(library: string, pointer: Pointer | null | undefined): Pointer {
  if (pointer) return pointer;
  const what = pointer === undefined ? 'was used after it was closed' : 'could not allocate its context';
  throw new SmeltError('INTERNAL', `${library} ${what}`);
}
