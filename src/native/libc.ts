/** The handful of system calls that Node does not offer, through koffi. */

import type { Address } from './address.ts';
import { loadLibrary, type Unavailable } from './koffi.ts';

export interface Libc {
  mmap(
    address: bigint | null,
    length: number,
    prot: number,
    flags: number,
    fd: number,
    offset: number,
  ): bigint;
  /** An ArrayBuffer over memory that stays mapped for the life of the process. */
  view(address: bigint, length: number): ArrayBuffer;
  /** 0, or -1 with errno, as are the others. */
  munmap(address: bigint, length: number): number;
  madvise(address: bigint, length: number, advice: number): number;
  /** Bytes read, or -1 with errno. */
  pread(fd: number, into: Address, length: number, offset: number): number;
  /** Compares memory at two addresses. */
  memcmp(a: Address, b: Address, length: number): number;
  /** The place, or -1 with errno. Nothing here goes by a file's position: all is read and written at a place. */
  lseek(fd: number, offset: number, whence: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  syncFileRange(fd: number, offset: number, length: number, flags: number): number;
  /** An errno, or 0. */
  posixFadvise(fd: number, offset: number, length: number, advice: number): number;
  /** How many of the files are ready, or -1. */
  poll(files: Address, count: number, timeoutMs: number): number;
  /** errno of the last call on this thread. */
  errno(): number;
}

let loaded: Libc | Unavailable | undefined;

/** libc of this system, or why it cannot be called. */
export function libc(): Libc | Unavailable {
  loaded ??= load();
  return loaded;
}

function load(): Libc | Unavailable {
  const library = loadLibrary('libc.so.6');
  if ('unavailable' in library) return library;
  const { lib, koffi } = library;
  return {
    mmap: lib.func('void *mmap(void *address, size_t length, int prot, int flags, int fd, int64_t offset)'),
    view: (address, length) => koffi.view(address, length),
    munmap: lib.func('int munmap(void *address, size_t length)'),
    madvise: lib.func('int madvise(void *address, size_t length, int advice)'),
    pread: lib.func('int64_t pread64(int fd, uintptr_t into, size_t length, int64_t offset)'),
    memcmp: lib.func('int memcmp(uintptr_t a, uintptr_t b, size_t length)'),
    lseek: lib.func('int64_t lseek64(int fd, int64_t offset, int whence)'),
    fallocate: lib.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)'),
    syncFileRange: lib.func(
      'int sync_file_range(int fd, int64_t offset, int64_t length, unsigned int flags)',
    ),
    posixFadvise: lib.func('int posix_fadvise64(int fd, int64_t offset, int64_t length, int advice)'),
    poll: lib.func('int poll(uintptr_t files, unsigned long count, int timeout)'),
    errno: () => koffi.errno(),
  };
}
