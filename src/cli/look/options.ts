/** Options of the commands that look into a dump. */

import type { Option } from '../option.ts';
import { readName, wholeNumber } from '../values.ts';
import { readLevels, readSince } from './log-values.ts';
import { readCpu } from './where.ts';

const MOST_OWNERS = 1000;

export const LOOK_OPTIONS = [
  {
    key: 'since',
    long: 'since',
    valueName: 'SECONDS',
    category: 'look',
    of: ['dmesg'],
    doc: "from then on, by the log's clock; -30: last 30 s",
    longDoc:
      'Seconds as the log has them in front of each message. A number below 0 counts back from its last message.',
    read: readSince,
  },
  {
    key: 'level',
    long: 'level',
    valueName: 'LIST',
    category: 'look',
    of: ['dmesg'],
    doc: 'emerg to debug: err,warn; warn+: warn and worse',
    longDoc:
      'Levels with commas between: emerg, alert, crit, err, warn, notice, info, debug. With a + behind it a level stands for the more urgent ones too, with a + in front for the less urgent ones.',
    read: readLevels,
  },
  {
    key: 'follow-panic',
    long: 'follow-panic',
    category: 'look',
    of: ['dmesg'],
    doc: 'from the first Oops, BUG or panic on',
    longDoc: 'What the kernel logged before anything went wrong is not shown.',
  },
  {
    key: 'all',
    long: 'all',
    short: 'a',
    category: 'look',
    of: ['bt'],
    doc: 'what each CPU ran',
    longDoc: 'The stack of the task that each CPU ran when the dump was made.',
  },
  {
    key: 'tasks',
    long: 'tasks',
    category: 'look',
    of: ['bt'],
    doc: 'all tasks, one after the other',
    longDoc: 'The stack of every task, those that slept too: as long as the machine had many.',
  },
  {
    key: 'cpu',
    long: 'cpu',
    valueName: 'N',
    category: 'look',
    of: ['bt'],
    doc: 'what CPU N ran; the same as the operand cpuN',
    longDoc: 'The stack of the task that CPU N ran when the dump was made.',
    read: readCpu,
  },
  {
    key: 'words',
    long: 'words',
    short: 'w',
    category: 'tell',
    of: ['read'],
    doc: '64-bit words, by symbol where they point to one',
    longDoc:
      "Two words a line, as rd -s of crash has them: what is an address in the kernel's code or data is shown as symbol+offset. LEN is still a number of bytes, made a multiple of 8.",
  },
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
    doc: 'write a picture of pixels (PNG)',
    longDoc: 'The tiles with a short legend, for where SVG is not taken.',
    read: readName('--png', 'FILE'),
  },
] as const satisfies readonly Option[];
