/** Options that say what a person or a program is told: every command takes them. */

import type { Option } from './option.ts';
import { readChoice, wholeNumber } from './values.ts';

export const GENERATED = ['man', 'complete-bash', 'complete-zsh', 'complete-fish'] as const;

const JSON_WITH_STREAM = 'a report on stdout (stderr with -F), errors too';

export const TELL_OPTIONS = [
  {
    key: 'quiet',
    long: 'quiet',
    category: 'tell',
    group: 'messages',
    doc: 'errors and warnings only (--message-level 4)',
    longDoc:
      'Of --quiet and --message-level the last one given counts. What a command is asked for (sme, bench) it prints all the same.',
  },
  {
    key: 'json',
    long: 'json',
    category: 'tell',
    common: true,
    doc: 'a report for programs on stdout, errors too',
    docs: { dump: JSON_WITH_STREAM, convert: JSON_WITH_STREAM },
    longDoc:
      'One JSON object on stdout, whether the dump succeeds or fails. What goes to stderr stays the same. With -F the dump goes to stdout, and the object to stderr, as the last line.',
  },
  {
    key: 'debug',
    long: 'debug',
    category: 'tell',
    doc: 'add the stack trace to an error',
    longDoc: 'For reports about smelt itself.',
  },
  {
    key: 'help',
    long: 'help',
    short: 'h',
    category: 'tell',
    doc: 'show this and exit',
    longDoc: '`smelt --help` is the short form, `smelt dump --help` the whole list.',
  },
  {
    key: 'version',
    long: 'version',
    short: 'v',
    category: 'tell',
    doc: 'show the version and exit',
    longDoc:
      'One line: smelt and its version. A smelt that is called makedumpfile, by a link, first says what makedumpfile says: the version whose options it takes, and its codecs.',
  },
  {
    key: 'generate',
    long: 'generate',
    valueName: 'KIND',
    choices: GENERATED,
    category: 'tell',
    of: ['dump'],
    doc: 'print man, complete-bash, -zsh or -fish, and exit',
    longDoc:
      'The manual page, or what a shell needs to complete command lines: `source <(smelt --generate complete-bash)`. All of them are made from the table that the parser uses.',
    read: readChoice('--generate', GENERATED),
  },
  {
    key: 'message-level',
    long: 'message-level',
    valueName: 'N',
    category: 'compatible',
    group: 'messages',
    doc: '1 progress, 2 common, 4 error, 8 debug, 16 report',
    longDoc:
      'The sum of what to show on stderr, 0 to 31. The default is 7. Common is the line about VMCORE and the summary, report is --show-stats.',
    read: wholeNumber('--message-level', 'a message level', 0, 31),
  },
  {
    key: 'D',
    short: 'D',
    category: 'compatible',
    doc: 'debug messages too (--message-level +8)',
    longDoc: 'Adds 8 to the message level.',
  },
  {
    key: 'show-stats',
    long: 'show-stats',
    category: 'compatible',
    doc: "the summary and makedumpfile's counts (+16)",
    longDoc:
      'Adds 16 to the message level: the summary is shown at any level, and behind it the counts of pages in the words of makedumpfile, for scripts that read them, on standard output (with -F or --json: standard error).',
  },
] as const satisfies readonly Option[];
