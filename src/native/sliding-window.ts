/** A window of mapped memory that slides along files: reserved once, with one buffer over it for its whole life. */

import type { Unavailable } from './koffi.ts';
import { type Libc, libc } from './libc.ts';

export interface SlidingWindow {
  /** The window's bytes. What they show changes with each `slide`; beyond what was slid to they must not be touched. */
  readonly bytes: Buffer;
  /**
   * Shows `length` bytes of the file from `byteOffset` and returns where in `bytes` they begin, or undefined when the
   * system refuses to map or to read them. The range must lie inside the file and be a page shorter than the window.
   */
  slide(fd: number, byteOffset: number, length: number, fileBytes: number): number | undefined;
  close(): void;
}

const PAGE = 4096;
const PROT_NONE = 0;
const PROT_READ = 1;
const MAP_PRIVATE = 0x02;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_NORESERVE = 0x4000;
const MAP_FAILED = 0xffffffffffffffffn;
/** Linux commit 4ca9b3859dac ("mm/madvise: introduce MADV_POPULATE_(READ|WRITE) to prefault page tables"), v5.14. */
const MADV_POPULATE_READ = 22;

/**
 * Reserves `sizeBytes` of address space, a multiple of the page size, for files to be seen through.
 *
 * `checked`: what `slide` shows was brought into memory first, so that a disk that fails, or a file that was cut short
 * meanwhile, is a range that is refused, where touching it would be the process's death (SIGBUS). Left is the moment
 * between that and the use. The kernel's own view of memory (/proc/vmcore) is in memory already and cannot be asked.
 */
export function openSlidingWindow(sizeBytes: number, checked = true): SlidingWindow | Unavailable {
  const c = libc();
  if ('unavailable' in c) return c;
  const address = c.mmap(null, sizeBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address === MAP_FAILED) return { unavailable: `mmap refused to reserve ${sizeBytes} bytes` };
  // Nothing asked for is done by every kernel that knows the advice, and refused by every other.
  if (checked && c.madvise(address, 0, MADV_POPULATE_READ) !== 0) {
    c.munmap(address, sizeBytes);
    return { unavailable: 'this kernel cannot check a mapping before it is used (Linux 5.14 can)' };
  }
  const bytes = Buffer.from(c.view(address, sizeBytes));
  let lost = false;
  let mappedFd = -1;
  let mappedFrom = 0;
  let mappedTo = 0;
  return {
    bytes,
    slide(fd, byteOffset, length, fileBytes) {
      const from = Math.floor(byteOffset / PAGE) * PAGE;
      if (lost || length <= 0 || byteOffset < 0 || byteOffset + length > fileBytes) return undefined;
      if (byteOffset + length > from + sizeBytes) return undefined;
      if (fd !== mappedFd || byteOffset < mappedFrom || byteOffset + length > mappedTo) {
        // As much as the window takes, but not a byte beyond the file: touching that would kill the process.
        const mapped = Math.min(sizeBytes, Math.ceil((fileBytes - from) / PAGE) * PAGE);
        if (c.mmap(address, mapped, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, from) === MAP_FAILED) {
          // What lay there may be gone, and the addresses somebody else's by now: they are never touched again.
          lost = true;
          return undefined;
        }
        mappedFd = fd;
        mappedFrom = from;
        mappedTo = from + mapped;
      }
      if (checked && !isThere(c, address + BigInt(from - mappedFrom), byteOffset + length - from))
        return undefined;
      return byteOffset - mappedFrom;
    },
    close() {
      if (lost) return;
      lost = true;
      // The address range stays reserved without memory behind it: a buffer that is still held reads a fault that can
      // be found, not another mapping's bytes.
      c.mmap(address, sizeBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    },
  };
}

/** Whether all pages that the range touches are in memory now; they are read where they were not. */
function isThere(c: Libc, address: bigint, length: number): boolean {
  return c.madvise(address, Math.ceil(length / PAGE) * PAGE, MADV_POPULATE_READ) === 0;
}
