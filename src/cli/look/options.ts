/** Options of the commands that look into a dump. */

import type { Option } from '../option.ts';
import { readName, wholeNumber } from '../values.ts';

const MOST_OWNERS = 1000;

export const LOOK_OPTIONS = [
  {
    key: 'raw',
    long: 'raw',
    category: 'tell',
    of: ['read'],
    doc: 'the bytes themselves, for a pipe or a file',
    longDoc: 'What is not in the dump is written as zeros, so that all else is in its place.',
  },
  {
    key: 'top',
    long: 'top',
    valueName: 'N',
    category: 'look',
    of: ['pages'],
    doc: 'name the N largest slab caches and cached files',
    longDoc:
      'By the structures of the kernel, which its BTF describes. A file has a name where a directory entry is in memory; the path is that within its file system.',
    read: wholeNumber('--top', 'the number of owners', 1, MOST_OWNERS, 'pages'),
  },
  {
    key: 'quick',
    long: 'quick',
    category: 'look',
    of: ['pages', 'map'],
    doc: 'do not look for pages of zeros',
    longDoc:
      'They are told by reading all memory of the kernel. Without them little more than its struct pages is read, so that a large dump takes seconds; what is zero counts as what it would be otherwise.',
  },
  {
    key: 'o',
    short: 'o',
    valueName: 'FILE',
    category: 'write',
    of: ['map'],
    doc: 'write a page for the browser (HTML)',
    longDoc:
      'One file that needs nothing else: memory in physical order, a colour a class, down to the single page frame.',
    read: readName('-o', 'FILE'),
  },
  {
    key: 'svg',
    long: 'svg',
    valueName: 'FILE',
    category: 'write',
    of: ['map'],
    doc: 'write a picture with a legend (SVG)',
    longDoc:
      'For reports: light or dark as the viewer wants it. Of a large machine a tile stands for many page frames.',
    read: readName('--svg', 'FILE'),
  },
  {
    key: 'png',
    long: 'png',
    valueName: 'FILE',
    category: 'write',
    of: ['map'],
    doc: 'write the picture alone (PNG)',
    longDoc: 'The tiles without a legend, for where SVG is not taken.',
    read: readName('--png', 'FILE'),
  },
] as const satisfies readonly Option[];
