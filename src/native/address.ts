/** Where a buffer lies in memory, for C: asked once for each buffer, checked for each use. It never leaves src/native. */
import { SmeltError } from '../errors.ts';
import { loadKoffi, type Pointer } from './koffi.ts';

/** An address as C takes it in place of a pointer: a number costs a call less than a buffer does. */
export type Address = number;

/**
 * The addresses of parts of buffers. It remembers the last buffer, whose memory neither moves nor goes while it is held;
 * calls for pages come with the same two buffers again and again.
 */
export class AddressBook {
  #buffer: Uint8Array | undefined;
  #address: Address = 0;

  /** The address of the bytes `at` … `at + length - 1` of `buffer`, which must all be there. */
  of(buffer: Uint8Array, at: number, length: number): Address {
    if (!(at >= 0 && length >= 0 && at + length <= buffer.length)) throw outside(buffer, at, length);
    if (buffer !== this.#buffer) {
      // A small array lies where the garbage collector moves it, until its ArrayBuffer was asked for.
      void buffer.buffer;
      this.#address = addressOf(buffer);
      this.#buffer = buffer;
    }
    return this.#address + at;
  }
}

/** What C gave as a pointer, as the number that is passed back to it. */
export function toAddress(pointer: Pointer): Address {
  return Number(pointer);
}

function addressOf(buffer: Uint8Array): Address {
  const loaded = loadKoffi();
  if ('unavailable' in loaded) throw new SmeltError('INTERNAL', loaded.unavailable);
  return Number(loaded.koffi.address(buffer));
}

function outside(buffer: Uint8Array, at: number, length: number): SmeltError {
  return new SmeltError(
    'INTERNAL',
    `bytes ${at} to ${at + length} were to be handed to C, of a buffer of ${buffer.length}`,
  );
}
