/** Options of the commands that look into a dump. */

import type { Option } from '../option.ts';
import { readLevels, readSince } from './log-values.ts';

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
    key: 'raw',
    long: 'raw',
    category: 'tell',
    of: ['read'],
    doc: 'the bytes themselves, for a pipe or a file',
    longDoc: 'What is not in the dump is written as zeros, so that all else is in its place.',
  },
] as const satisfies readonly Option[];
