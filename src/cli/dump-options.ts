/** Options that say what is dumped and how; `smelt bench` takes most of them too. */

import { CODEC_NAMES, MAKER_KINDS } from '../codec/codec.ts';
import { levelRange } from '../codec/levels.ts';
import { LOOK_NAMES, type Option } from './option.ts';
import { readDumpLevels, readMakerKind, readName, readSmeMask, readThreads, wholeNumber } from './values.ts';

/** Of any codec; whether this one has it is asked when the codec is known. */
const HIGHEST_LEVEL = Math.max(...CODEC_NAMES.map((name) => levelRange(name)?.most ?? 0));

export const DUMP_OPTIONS = [
  {
    key: 'dump-level',
    long: 'dump-level',
    short: 'd',
    valueName: 'LEVEL',
    category: 'keep',
    of: ['dump', 'convert', 'bench'],
    common: true,
    doc: 'pages to leave out: 0 none to 31 all (default 0)',
    docs: { bench: 'pages to leave out: 0 none to 31 all (default 31)' },
    longDoc:
      'The sum of what to leave out: 1 zero pages, 2 page cache without private data, 4 all page cache, 8 user data, 16 free pages. ' +
      'Pages that are offline or broken (hwpoison) are left out at any level. The default is 0. Of several (-d 23,31) the next one is tried where the dump does not fit.',
    read: readDumpLevels,
  },
  {
    key: 'strict',
    long: 'strict',
    category: 'keep',
    of: ['dump'],
    doc: 'fail where the memory map cannot be read at all',
    longDoc:
      'Without this option everything but pages of zeros is dumped then, with a warning, because a dump that is too big beats none. Single pages that cannot be classified are kept and counted in any case.',
  },
  {
    key: 'exclude-shared',
    long: 'exclude-shared',
    category: 'keep',
    of: ['dump', 'convert'],
    doc: 'leave out pages that were not encrypted (SME, SEV)',
    longDoc:
      'On a machine whose memory was encrypted, pages that its kernel shared with devices or with its host read as noise from /proc/vmcore. They are told from the page tables, and those that are mapped both ways are kept. makedumpfile keeps them all.',
  },
  {
    key: 'allow-ciphertext',
    long: 'allow-ciphertext',
    category: 'keep',
    of: ['dump', 'convert'],
    doc: 'write a dump even if VMCORE is ciphertext',
    longDoc:
      'Without it smelt writes nothing where the memory was read through the wrong mapping (mem_encrypt= of the two kernels differs, or a host read its guest): nobody can decrypt such a dump.',
  },
  {
    key: 'require-encrypted-target',
    long: 'require-encrypted-target',
    category: 'write',
    of: ['dump', 'convert', 'salvage'],
    doc: 'write only where all is encrypted',
    longDoc:
      'Stops before the first byte unless all that is written to DUMPFILE goes through dm-crypt on its way to each disk. What cannot be known, a file system of the network for one, counts as not encrypted.',
  },
  {
    key: 'i',
    short: 'i',
    valueName: 'VMCOREINFO',
    category: 'keep',
    of: ['dump', 'convert', 'salvage', 'sme', 'bench', ...LOOK_NAMES],
    doc: 'read VMCOREINFO from this file (text lines)',
    longDoc:
      'For dumps that have no VMCOREINFO of their own. Exit code 2 says that the file belongs to another kernel.',
    read: readName('-i', 'VMCOREINFO'),
  },
  {
    key: 'x',
    short: 'x',
    valueName: 'VMLINUX',
    category: 'keep',
    of: ['dump', 'convert', 'sme', ...LOOK_NAMES],
    doc: 'the same from a vmlinux with debug information',
    longDoc:
      'Symbols and structures are read from a vmlinux with debug information (DWARF 4 or 5). What the dump says of itself counts more. Exit code 2 says that it belongs to another kernel.',
    read: readName('-x', 'VMLINUX'),
  },
  {
    key: 'config',
    long: 'config',
    valueName: 'FILE',
    category: 'keep',
    of: ['dump'],
    doc: 'erase kernel data by the rules in FILE (needs -x)',
    longDoc:
      'Rules as in makedumpfile.conf(5): what they name is overwritten in the dump. A rule that cannot be followed in any dump of the kernel is an error, before anything is written.',
    read: readName('--config', 'FILE'),
  },
  {
    key: 'sme-mask',
    long: 'sme-mask',
    valueName: 'MASK',
    category: 'keep',
    of: ['dump', 'convert', 'salvage', 'sme', 'bench', ...LOOK_NAMES],
    doc: 'encryption bit of page-table entries, 0x or decimal',
    longDoc:
      'Overrides what VMCOREINFO says (sme_mask) and what the top-level page table shows. Hexadecimal with 0x or decimal; exactly one bit, 32 to 51.',
    read: readSmeMask,
  },
  {
    key: 'z',
    short: 'z',
    category: 'compress',
    of: ['dump', 'convert', 'salvage', 'bench'],
    group: 'codec',
    common: true,
    doc: 'zstd: quick, small dumps',
    longDoc: 'Compress each page with zstd. Of -z, -c, -l and -p the last one given counts.',
  },
  {
    key: 'c',
    short: 'c',
    category: 'compress',
    of: ['dump', 'convert', 'salvage', 'bench'],
    group: 'codec',
    doc: 'zlib: every reader knows it',
    longDoc: 'Compress each page with zlib. Of -z, -c, -l and -p the last one given counts.',
  },
  {
    key: 'l',
    short: 'l',
    category: 'compress',
    of: ['dump', 'convert', 'salvage', 'bench'],
    group: 'codec',
    doc: 'lzo: quick, larger dumps',
    longDoc: 'Compress each page with lzo. Of -z, -c, -l and -p the last one given counts.',
  },
  {
    key: 'p',
    short: 'p',
    category: 'compress',
    of: ['dump', 'convert', 'salvage', 'bench'],
    group: 'codec',
    doc: 'snappy',
    longDoc: 'Compress each page with snappy. Of -z, -c, -l and -p the last one given counts.',
  },
  {
    key: 'compression-level',
    long: 'compression-level',
    valueName: 'N',
    category: 'compress',
    of: ['dump', 'convert', 'salvage', 'bench'],
    doc: 'zstd 1 to 19, zlib 1 to 12 (default 1)',
    longDoc:
      'Higher is smaller and slower. zlib 10 to 12 need the native maker (libdeflate). lzo and snappy have no level.',
    read: wholeNumber('--compression-level', 'a compression level', 1, HIGHEST_LEVEL),
  },
  {
    key: 'codec-maker',
    long: 'codec-maker',
    valueName: 'KIND',
    choices: MAKER_KINDS,
    category: 'compress',
    of: ['dump', 'convert', 'salvage'],
    doc: 'native (system library) or portable (in smelt)',
    longDoc: 'Without it smelt takes the native one where it is installed. The summary says which one ran.',
    read: readMakerKind,
  },
  {
    key: 'dedup',
    long: 'dedup',
    category: 'compress',
    of: ['dump', 'convert'],
    doc: 'store identical pages once',
    longDoc:
      'A page whose bytes were stored before gets a descriptor that points there, after both were compared byte by byte. Takes up to 16 MiB of memory. The summary says what it saved and what it cost.',
  },
  {
    key: 'f',
    short: 'f',
    category: 'write',
    of: ['dump', 'convert', 'salvage', 'map', 'sme', 'bench'],
    common: true,
    doc: 'overwrite DUMPFILE when it exists',
    docs: {
      map: 'overwrite FILE when it exists',
      sme: 'overwrite FILE when it exists',
      bench: 'overwrite FILE.svg when it exists',
    },
    longDoc: 'Without it a DUMPFILE that exists is left alone and smelt fails.',
  },
  {
    key: 'keep-incomplete',
    long: 'keep-incomplete',
    category: 'write',
    of: ['dump', 'convert', 'salvage'],
    doc: 'keep DUMPFILE.incomplete when interrupted',
    longDoc:
      'Without it nothing is left of a dump that was interrupted. A dump that failed to be written is always left, as DUMPFILE.incomplete.',
  },
  {
    key: 'save-dmesg',
    long: 'save-dmesg',
    valueName: 'LOGFILE',
    category: 'write',
    of: ['dump'],
    doc: 'before the dump, write the kernel log as text',
    longDoc:
      'LOGFILE is whole and on the disk before DUMPFILE is begun, and stays whatever becomes of the dump. What goes wrong with the log is a warning. -f and --require-encrypted-target count for it too.',
    read: readName('--save-dmesg', 'LOGFILE'),
  },
  {
    key: 'dump-dmesg',
    long: 'dump-dmesg',
    category: 'write',
    of: ['dump'],
    doc: 'write only the kernel log: VMCORE LOGFILE (or -)',
    longDoc:
      'The text that makedumpfile --dump-dmesg writes, to LOGFILE in the place of DUMPFILE; - is standard output. Options about pages mean nothing with it.',
  },
  {
    key: 'g',
    short: 'g',
    valueName: 'VMCOREINFO',
    category: 'write',
    of: ['dump'],
    doc: 'write nothing but a file for -i, made of -x',
    longDoc:
      '`smelt -g VMCOREINFO -x VMLINUX` reads no dump: it writes what VMLINUX says as text lines that -i takes, here and in makedumpfile. One that exists is replaced.',
    read: readName('-g', 'VMCOREINFO'),
  },
  {
    key: 'R',
    short: 'R',
    category: 'write',
    of: ['dump'],
    doc: 'put a flattened dump in order: DUMPFILE < STREAM',
    longDoc:
      'Reads what makedumpfile -F wrote from standard input, up to its end mark, and writes each record to its place. Every command reads a flattened VMCORE as it is: -R is for tools that do not.',
  },
  {
    key: 'dry-run',
    long: 'dry-run',
    category: 'run',
    of: ['dump', 'convert', 'salvage', 'bench'],
    doc: 'estimate only; DUMPFILE may be left out',
    docs: { bench: 'with --peer: both write nothing' },
    longDoc:
      'Says what a dump would come to, and writes nothing. What depends on contents (sizes, pages of zeros) is estimated by a sample, which cannot say what --dedup would save.',
  },
  {
    key: 'num-threads',
    long: 'num-threads',
    valueName: 'N',
    category: 'run',
    of: ['dump', 'convert', 'salvage', 'sme', 'bench', ...LOOK_NAMES],
    doc: 'threads that work; 0 is 1 (default: one a CPU)',
    docs: { bench: 'runs with N threads only (default: 1, 2 .. CPUs)' },
    longDoc:
      'The main thread is one of them. On one CPU, or where memory is short, it works alone by default. Never more than there are pieces of 8 MiB in memory: the summary says so.',
    read: readThreads('--num-threads'),
  },
  {
    key: 'mmap',
    long: 'mmap',
    category: 'run',
    of: ['dump', 'convert', 'salvage', 'sme', ...LOOK_NAMES],
    group: 'access',
    doc: 'map VMCORE into memory (default)',
    longDoc: 'Of --mmap and --non-mmap the last one given counts. Where VMCORE cannot be mapped it is read.',
  },
  {
    key: 'non-mmap',
    long: 'non-mmap',
    category: 'run',
    of: ['dump', 'convert', 'salvage', 'sme', ...LOOK_NAMES],
    group: 'access',
    doc: 'read VMCORE instead of mapping it',
    longDoc: 'Of --mmap and --non-mmap the last one given counts.',
  },
] as const satisfies readonly Option[];
