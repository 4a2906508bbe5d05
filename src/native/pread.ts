/** pread(2) into a part of a buffer: by the C library where it can be called, which costs half of what Node's call does. */
import { readSync } from 'node:fs';
import { AddressBook } from './address.ts';
import { libc } from './libc.ts';

/** Reads up to `length` bytes at `byteOffset` of the file to `at` in `into`; how many, 0 at the end. Throws when the system refuses. */
export type Pread = (fd: number, into: Uint8Array, at: number, length: number, byteOffset: number) => number;

/** One thread's. */
export function openPread(): Pread {
  const c = libc();
  if ('unavailable' in c) return readSync;
  const buffers = new AddressBook();
  const { pread } = c;
  return (fd, into, at, length, byteOffset) => {
    const n = pread(fd, buffers.of(into, at, length), length, byteOffset);
    // Node knows what to say of a failure, and does not fail when it was only interrupted.
    return n < 0 ? readSync(fd, into, at, length, byteOffset) : n;
  };
}
