/** Options of `smelt sme` alone. */

import type { Option } from './option.ts';
import { readName } from './values.ts';

export const SME_OPTIONS = [
  {
    key: 'live',
    long: 'live',
    category: 'look',
    of: ['sme'],
    doc: 'look at this machine, before anything crashes',
    longDoc: 'Says whether a crash now would leave a dump that can be read. Exit code 0 only if it would.',
  },
  {
    key: 'root',
    long: 'root',
    valueName: 'DIR',
    category: 'look',
    of: ['sme'],
    doc: 'with --live: a directory with copies of /proc, /sys',
    longDoc: 'The machine is looked at in the files below this directory instead of /.',
    read: readName('--root', 'DIR', 'directory'),
  },
  {
    key: 'pages',
    long: 'pages',
    valueName: 'FILE',
    category: 'write',
    of: ['sme'],
    doc: 'write bitmaps: pages encrypted, and pages shared',
    longDoc: 'For other tools; docs/pages-file.md has the format.',
    read: readName('--pages', 'FILE'),
  },
] as const satisfies readonly Option[];
