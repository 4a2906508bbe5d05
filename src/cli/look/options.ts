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
  {
    key: 'exact',
    long: 'exact',
    category: 'look',
    of: ['diff'],
    doc: 'pages that only one has are a difference too',
    longDoc:
      'Without it a dump that was filtered is the same as the one that it was made of, as long as the pages that both have do not differ.',
  },
] as const satisfies readonly Option[];
