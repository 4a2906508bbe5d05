/** What each page frame is, as a byte: finer than the classes that a dump level drops, and with what else is known of it. */

import { PAGE_CLASSES, type PageClass } from './page-class.ts';

/** `none`: there is no memory. `table`: page tables. `kernel` is what is left of the kernel's: none of slab, table, reserved. `zero`: of the kernel's, and nothing in it. */
export const FRAME_KINDS = [
  'none',
  'kernel',
  'slab',
  'table',
  'reserved',
  'undecided',
  'zero',
  'cache',
  'cachePrivate',
  'user',
  'free',
  'hwpoison',
  'offline',
] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];
export type MemoryKind = Exclude<FrameKind, 'none'>;
export const MEMORY_KINDS = FRAME_KINDS.filter((kind): kind is MemoryKind => kind !== 'none');

export const KindIndex = Object.fromEntries(FRAME_KINDS.map((name, index) => [name, index])) as {
  readonly [K in FrameKind]: number;
};

/** The low bits of the byte; the others are flags. */
export const KIND_BITS = 0x0f;
export const FrameFlag = {
  /** The input does not have its bytes. */
  absent: 0x10,
  /** The census: mapped encrypted, mapped decrypted (or, with both, both ways). */
  encrypted: 0x20,
  shared: 0x40,
} as const;
/** Values that such a byte can have. */
export const FRAME_CODES = 0x80;

/** What a page frame of each class is, indexed as PAGE_CLASSES. */
export const KIND_OF_CLASS = Uint8Array.from(
  PAGE_CLASSES,
  (name: PageClass) => KindIndex[name === 'shared' ? 'kernel' : name],
);

/** Kinds that makedumpfile calls the kernel's data. */
export const KERNEL_KINDS = [
  'kernel',
  'slab',
  'table',
  'reserved',
  'undecided',
] as const satisfies readonly FrameKind[];
