/** Options that are there because makedumpfile has them: other outputs than a dump, and what its scripts pass along. */

import type { Option } from './option.ts';
import { readAddress, readSplitblock, wholeNumber } from './values.ts';

const LARGEST = 999_999_999;

export const MAKEDUMPFILE_OPTIONS = [
  {
    key: 'partial-dmesg',
    long: 'partial-dmesg',
    category: 'write',
    of: ['dump'],
    doc: 'of the log only what came after `dmesg --clear`',
    longDoc:
      'With --dump-dmesg or --save-dmesg: messages that were logged since the last `dmesg --clear` (or -C, -c) of the crashed machine. Without such a clear that is the whole log.',
  },
  {
    key: 'mem-usage',
    long: 'mem-usage',
    category: 'write',
    of: ['dump'],
    doc: 'show how many pages are of which kind: VMCORE',
    longDoc:
      'Sorts all pages as -d 31 would, reads those that stay to find pages of zeros, and shows a table on standard output. What is named is all read: a dump, or all parts of a split one, /proc/vmcore, or /proc/kcore for the memory of this machine.',
  },
  {
    key: 'vtop',
    long: 'vtop',
    valueName: 'ADDR',
    category: 'tell',
    of: ['dump'],
    doc: 'show the page-table walk of an address, then dump',
    longDoc:
      'A virtual address of the kernel, hexadecimal with 0x or decimal. Each entry of its walk is shown on standard error with its flags, the encryption bit among them, and the physical address that it leads to.',
    read: readAddress('--vtop'),
  },
  {
    key: 'check-params',
    long: 'check-params',
    category: 'run',
    of: ['dump'],
    doc: 'check the command line and do nothing else',
    longDoc:
      'Exit code 0 if the same command line without this option would be understood, else 1 and a sentence. No file is looked at. For scripts that make a crash initramfs.',
  },
  {
    key: 'splitblock-size',
    long: 'splitblock-size',
    valueName: 'KIB',
    category: 'compatible',
    of: ['dump'],
    doc: 'by what makedumpfile --split counts; no effect',
    longDoc: 'In KiB, a multiple of the page size. smelt balances --split by single pages.',
    read: readSplitblock('--splitblock-size', LARGEST),
  },
  {
    key: 'cyclic-buffer',
    long: 'cyclic-buffer',
    valueName: 'KIB',
    category: 'compatible',
    of: ['dump'],
    doc: "makedumpfile's buffer for bitmaps; no effect",
    longDoc: 'In KiB. smelt takes the same little memory for any machine.',
    read: wholeNumber('--cyclic-buffer', 'a size in KiB', 0, LARGEST),
  },
  {
    key: 'non-cyclic',
    long: 'non-cyclic',
    category: 'compatible',
    of: ['dump'],
    doc: 'an option of older makedumpfiles; no effect',
    longDoc: 'smelt looks at the memory map once in any case.',
  },
  {
    key: 'b',
    short: 'b',
    valueName: 'ORDER',
    category: 'compatible',
    of: ['dump'],
    doc: "makedumpfile's output buffer; no effect",
    longDoc: '2 to the power of ORDER pages. smelt writes pieces of about a MiB.',
    read: wholeNumber('-b', 'an order', 0, 20),
  },
] as const satisfies readonly Option[];
