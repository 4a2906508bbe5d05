/** The classes a page frame can have, and which dump level bit drops which. */

/**
 * In the order of a report. `kernel` is what is kept because nothing says that it may go; `undecided` is kept because
 * something that should say so could not be read or made no sense. `shared` is what --exclude-shared drops of the rest: memory
 * that was not encrypted on a machine whose memory was.
 */
export const PAGE_CLASSES = [
  'kernel',
  'undecided',
  'zero',
  'cache',
  'cachePrivate',
  'user',
  'free',
  'hwpoison',
  'offline',
  'shared',
] as const;
export type PageClass = (typeof PAGE_CLASSES)[number];

/** Index of each class in a table of counters. */
export const ClassIndex = Object.fromEntries(PAGE_CLASSES.map((name, index) => [name, index])) as {
  readonly [K in PageClass]: number;
};

/** Bits of `-d`, as makedumpfile(8) numbers them. */
export const DumpLevel = { zero: 1, cache: 2, cachePrivate: 4, user: 8, free: 16 } as const;
export const MAX_DUMP_LEVEL = 31;
