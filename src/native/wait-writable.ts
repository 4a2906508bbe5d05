/** Waiting for the reader of a pipe or a socket that does not block its writers. */

import { AddressBook } from './address.ts';
import { libc } from './libc.ts';

/** Source: poll.h. */
const POLLOUT = 4;
/** Without poll(2): a pipe has room for 64 KiB, so that this many milliseconds are 64 MB/s. */
const NAP_MS = 1;

const clock = new Int32Array(new SharedArrayBuffer(4));
const addresses = new AddressBook();

/** Returns when the file takes bytes, or has no reader any more, or after `ms`; it may be sooner. */
export function waitWritable(fd: number, ms: number): void {
  const c = libc();
  if ('unavailable' in c) {
    Atomics.wait(clock, 0, 0, NAP_MS);
    return;
  }
  // struct pollfd: int fd, short events, short revents.
  const pollfd = new Uint8Array(new ArrayBuffer(8));
  new Int32Array(pollfd.buffer, 0, 1)[0] = fd;
  new Int16Array(pollfd.buffer, 4, 1)[0] = POLLOUT;
  c.poll(addresses.of(pollfd, 0, pollfd.length), 1, ms);
}
