/** The commands that look into a dump: rows of the table of commands. */

import type { Command } from '../commands.ts';

const EXIT_CODES = ['Exit codes: 0 it was shown; 1 not, or interrupted.'];

export const LOOK_COMMANDS: readonly Command[] = [
  {
    name: 'pages',
    doc: 'what fills the memory',
    operands: ['VMCORE'],
    help: {
      usage: 'smelt pages [OPTIONS] VMCORE',
      about: [
        'Counts the page frames of a dump by what they are, by NUMA node and zone, and by',
        'the size of free blocks; with --top also by slab cache and cached file. What the',
        'dump no longer has is counted as well, where its struct page is there.',
      ],
      examples: [
        ['smelt pages vmcore', 'what fills the memory'],
        ['smelt pages --quick --top 10 vmcore', 'at once, and who has most of it'],
      ],
      end: EXIT_CODES,
    },
    run: async (tokens, display, host) => (await import('./pages.ts')).runPages(tokens, display, host),
  },
  {
    name: 'map',
    doc: 'a picture of the memory',
    operands: ['VMCORE'],
    help: {
      usage: 'smelt map [OPTIONS] VMCORE [-o map.html]',
      about: [
        'Draws memory in physical order, a colour a class: as a page to look around in, as',
        'a picture, or in the terminal (letters where there are no colours). Shared and',
        'encrypted memory is hatched, and what the dump does not have is dotted.',
      ],
      examples: [
        ['smelt map vmcore', 'in the terminal'],
        ['smelt map vmcore -o map.html', 'down to the single page frame'],
        ['smelt map --quick vmcore --svg map.svg', 'for a report'],
      ],
      end: EXIT_CODES,
    },
    run: async (tokens, display, host) => (await import('./map.ts')).runMap(tokens, display, host),
  },
  {
    name: 'read',
    doc: 'bytes of the memory, by address or symbol',
    operands: ['VMCORE', 'ADDR', '[LEN]'],
    help: {
      usage: 'smelt read [OPTIONS] VMCORE ADDR [LEN]',
      about: [
        'Shows LEN bytes (256; 64K, 1M) from ADDR on: a physical address, a virtual one',
        'of the kernel (ffff…), or a symbol (linux_banner, init_task+0x10).',
      ],
      examples: [
        ['smelt read vmcore linux_banner 128', 'what the kernel calls itself'],
        ['smelt read vmcore 0x1000 4K', 'a page frame'],
        ['smelt read vmcore init_task 8K --raw > task', 'the bytes themselves'],
      ],
      end: EXIT_CODES,
    },
    run: async (tokens, display, host) => (await import('./read.ts')).runRead(tokens, display, host),
  },
  {
    name: 'vtop',
    doc: 'the page-table walk from a virtual address',
    operands: ['VMCORE', 'ADDR'],
    help: {
      usage: 'smelt vtop [OPTIONS] VMCORE ADDR',
      about: [
        "Walks the kernel's page tables from ADDR, a virtual address or a symbol, to the",
        'physical one, level by level, with flags and the encryption bit.',
      ],
      examples: [['smelt vtop vmcore init_task', 'where it lies']],
      end: EXIT_CODES,
    },
    run: async (tokens, display, host) => (await import('./vtop.ts')).runVtop(tokens, display, host),
  },
  {
    name: 'symbols',
    doc: "the kernel's symbols, without a vmlinux",
    operands: ['VMCORE', '[NAME]'],
    help: {
      usage: 'smelt symbols [OPTIONS] VMCORE [NAME or ADDR]',
      about: [
        "Shows symbols of the kernel's own table: all, those that NAME fits (* and ? stand",
        'for any text and character), or the one that ADDR lies in.',
      ],
      examples: [
        ['smelt symbols vmcore init_task', 'where is it?'],
        ["smelt symbols vmcore 'kexec_*'", 'a pattern'],
        ['smelt symbols vmcore ffffffff81000123', 'what is there?'],
      ],
      end: EXIT_CODES,
    },
    run: async (tokens, display, host) => (await import('./symbols.ts')).runSymbols(tokens, display, host),
  },
];

/** The row of a command. */
export function lookCommand(name: Command['name']): Command {
  return LOOK_COMMANDS.find((command) => command.name === name)!;
}
