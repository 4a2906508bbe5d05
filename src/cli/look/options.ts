/** Options of the commands that look into a dump. */

import type { Option } from '../option.ts';
import { readCpu } from './where.ts';

export const LOOK_OPTIONS = [
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
