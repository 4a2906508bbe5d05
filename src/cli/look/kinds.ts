/** How the kinds of page frames are called and coloured, wherever they are shown. */

import type { FrameKind, MemoryKind } from '../../filter/frame-kind.ts';

export interface KindLook {
  readonly name: string;
  /** One sentence's worth. */
  readonly what: string;
  /** Where there are no colours. */
  readonly letter: string;
  /**
   * "#rrggbb": each has a lightness of its own, so that they can be told apart in grey and by whoever sees fewer colours
   * (test/cli/look/kinds.test.ts).
   */
  readonly colour: string;
}

/** In the order of a legend: what can be dropped least first. */
export const KIND_LOOKS: Readonly<Record<MemoryKind, KindLook>> = {
  kernel: { name: 'kernel', what: 'other memory of the kernel', letter: 'K', colour: '#b53b0a' },
  slab: { name: 'slab', what: 'objects of slab caches', letter: 'S', colour: '#e8862d' },
  table: { name: 'page table', what: 'page tables', letter: 'T', colour: '#4b0ac8' },
  reserved: {
    name: 'reserved',
    what: 'kernel image, firmware, what boot took',
    letter: 'R',
    colour: '#5a1050',
  },
  undecided: { name: 'undecided', what: 'cannot be classified', letter: '?', colour: '#ff80dd' },
  zero: { name: 'zero', what: "the kernel's, nothing but zeros", letter: 'Z', colour: '#f7edb8' },
  cache: { name: 'page cache', what: 'pages of files', letter: 'C', colour: '#1f9e77' },
  cachePrivate: {
    name: 'private cache',
    what: 'pages of files with private data',
    letter: 'P',
    colour: '#0b5d4b',
  },
  user: { name: 'user', what: 'memory of processes', letter: 'U', colour: '#3f76e0' },
  free: { name: 'free', what: 'free blocks', letter: 'F', colour: '#cfdce5' },
  hwpoison: { name: 'broken', what: 'broken memory (hwpoison)', letter: 'X', colour: '#1a0b2e' },
  offline: { name: 'offline', what: 'ballooned or unplugged', letter: 'O', colour: '#b8bf83' },
};

export const LETTERS: Readonly<Record<FrameKind, string>> = {
  none: ' ',
  ...(Object.fromEntries(Object.entries(KIND_LOOKS).map(([kind, { letter }]) => [kind, letter])) as Record<
    MemoryKind,
    string
  >),
};
