/** Options of the commands that look into a dump. */

import type { Option } from '../option.ts';

export const LOOK_OPTIONS = [
  {
    key: 'raw',
    long: 'raw',
    category: 'tell',
    of: ['read'],
    doc: 'the bytes themselves, for a pipe or a file',
    longDoc: 'What is not in the dump is written as zeros, so that all else is in its place.',
  },
] as const satisfies readonly Option[];
