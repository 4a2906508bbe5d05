/** Options that say what kind of output is written, and to how many files. */

import { OUTPUT_FORMATS } from '../write/formats.ts';
import type { Option } from './option.ts';
import { readFormat, readLimit, readName } from './values.ts';

export const OUTPUT_OPTIONS = [
  {
    key: 'F',
    short: 'F',
    category: 'write',
    of: ['dump', 'convert'],
    doc: 'to standard output, as a flattened stream',
    longDoc:
      'For pipes, ssh and raw devices: VMCORE is then the only operand. `smelt -R DUMPFILE` makes a file of the stream, and smelt reads it as it is. All messages, and what --json tells, go to standard error. A stream without its end mark is not whole. Of several levels of -d the first one counts. With --dump-dmesg the log goes to standard output, as text.',
  },
  {
    key: 'E',
    short: 'E',
    category: 'write',
    of: ['dump'],
    doc: 'write ELF, as --to elf',
    longDoc:
      'Pages are stored as they are. What was left out, pages of zeros among it, has program headers with a size in memory and none in the file: crash and drgn read all of it as zeros. From kdump-compressed dumps and with threads too, where makedumpfile takes neither.',
  },
  {
    key: 'to',
    long: 'to',
    valueName: 'FORMAT',
    choices: OUTPUT_FORMATS,
    category: 'write',
    of: ['dump', 'convert'],
    doc: 'kdump (default), elf, raw or lime',
    longDoc:
      'raw: the file is physical memory from address 0 on; lime: ranges of memory, each with a header. In both, what was left out reads as zeros, and is a hole in the file.',
    read: readFormat,
  },
  {
    key: 'split',
    long: 'split',
    category: 'write',
    of: ['dump', 'convert'],
    doc: 'to two files or more: VMCORE FILE1 FILE2',
    longDoc:
      'Files come out about the same size, by a sample of the pages. crash and smelt open them together, and `smelt --reassemble` makes one of them.',
  },
  {
    key: 'reassemble',
    long: 'reassemble',
    category: 'write',
    of: ['dump'],
    doc: 'join what --split made: FILE1 FILE2 DUMPFILE',
    longDoc:
      'Each page goes to DUMPFILE as it is stored in its part, without being unpacked. All parts are named, in any order. smelt reads the parts of a split dump as they are: this is for tools that do not.',
  },
  {
    key: 'L',
    short: 'L',
    valueName: 'SIZE',
    category: 'write',
    of: ['dump', 'convert'],
    doc: 'let no file get larger than SIZE (K, M, G)',
    longDoc:
      'What does not fit is tried with the next level of -d, if there is one; else smelt fails as on a full disk, and leaves DUMPFILE.incomplete.',
    read: readLimit('-L'),
  },
  {
    key: 'work-dir',
    long: 'work-dir',
    valueName: 'DIR',
    category: 'write',
    of: ['dump', 'convert', 'salvage', 'pages', 'map', 'bench'],
    doc: 'for a working file, by default TMPDIR or /tmp',
    docs: { bench: 'where dumps are written to and removed again' },
    longDoc:
      'Where the output has no room for bitmaps that are read again (-F, -E, --to raw or lime, --mem-usage) they go to a file without a name: two bits a page, 64 MiB for a TiB of memory. Of bench: the speed of writing is that of this directory.',
    read: readName('--work-dir', 'DIR', 'directory'),
  },
] as const satisfies readonly Option[];
