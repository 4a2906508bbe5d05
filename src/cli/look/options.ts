/** Options of the commands that look into a dump. */

import type { Option } from '../option.ts';
import { readLevels, readSince } from './log-values.ts';
import { readCpu } from './where.ts';

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
    doc: 'what CPU N ran; cpuN in place of a PID says the same',
    longDoc: 'The stack of the task that CPU N ran when the dump was made.',
    read: readCpu,
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
