/** The commands that look into a dump: rows of the table of commands. */

import type { Command } from '../commands.ts';

const PARTS = 'Of a split dump all parts stand in the place of VMCORE, in any order.';
const END = [PARTS, 'Exit codes: 0 it was shown; 1 not, or interrupted.'];

export const LOOK_COMMANDS: readonly Command[] = [
  {
    name: 'info',
    doc: 'what a dump is: what crashed, when, why',
    common: true,
    operands: ['VMCORE'],
    help: {
      usage: 'smelt info [OPTIONS] VMCORE',
      about: [
        'Says what VMCORE is of: what crashed, when and why; kernel, machine and CPUs;',
        'memory, what is in the file and what is missing; the last lines of the log.',
      ],
      examples: [
        ['smelt info vmcore', 'on one screen'],
        ['smelt info --json vmcore | jq .report.crash', 'all of it, for programs'],
      ],
      end: END,
    },
    run: async (tokens, display, host) => (await import('./info.ts')).runInfo(tokens, display, host),
  },
  {
    name: 'dmesg',
    doc: 'the kernel log, or parts of it',
    common: true,
    operands: ['VMCORE'],
    help: {
      usage: 'smelt dmesg [OPTIONS] VMCORE',
      about: [
        'Shows the kernel log in VMCORE: time, who logged it (T a thread, C a CPU) and',
        'message; in a pipe what --dump-dmesg writes, with colours on a terminal.',
      ],
      examples: [
        ['smelt dmesg vmcore', 'all of it'],
        ['smelt dmesg vmcore --level warn+ --since -30', 'how it ended'],
        ['smelt dmesg vmcore --follow-panic', 'the report of the crash'],
      ],
      end: [PARTS, 'Exit codes: 0 it was shown; 1 not, or there is no such message.'],
    },
    run: async (tokens, display, host) => (await import('./dmesg.ts')).runDmesg(tokens, display, host),
  },
  {
    name: 'ps',
    doc: 'the tasks: PID, state, memory, what ran',
    operands: ['VMCORE', '[WHO…]'],
    help: {
      usage: 'smelt ps [OPTIONS] VMCORE [PID, COMM, TASK or cpuN…]',
      about: [
        'Lists all tasks of the crashed kernel: processes, threads, kernel threads (in',
        'brackets) and the idle task of each CPU. > marks those that a CPU ran. Or only',
        'those that are asked for; the PID of a process stands for its threads too.',
        'States: RU running, IN and UN sleeping (interruptible or not), ID idle kernel',
        'thread, ST stopped, TR traced, ZO zombie, DE dead, PA parked, WA waking, NE new.',
      ],
      examples: [
        ['smelt ps vmcore', 'what was there?'],
        ["smelt ps vmcore | grep ' UN '", 'what was blocked?'],
        ['smelt ps vmcore 118 sshd', 'PID 118 with its threads, and all sshd'],
      ],
      end: END,
    },
    run: async (tokens, display, host) => (await import('./ps.ts')).runPs(tokens, display, host),
  },
  {
    name: 'bt',
    doc: 'the stack of the task that crashed, or another',
    common: true,
    operands: ['VMCORE', '[WHO…]'],
    help: {
      usage: 'smelt bt [OPTIONS] VMCORE [PID, COMM, TASK or cpuN…]',
      about: [
        'Shows which functions a task was in: the one that panicked, those named as ps',
        "shows them, or what a CPU ran, by the kernel's own unwind tables (ORC). Where",
        'they do not tell, what looks like a return address is shown with a ? before it.',
      ],
      examples: [
        ['smelt bt vmcore', 'what crashed?'],
        ['smelt bt vmcore 118 sshd', 'PID 118, and every task of the name sshd'],
        ['smelt bt vmcore cpu2', 'what CPU 2 ran'],
        ['smelt bt vmcore --all', 'what each CPU ran'],
      ],
      end: END,
    },
    run: async (tokens, display, host) => (await import('./bt.ts')).runBt(tokens, display, host),
  },
  {
    name: 'mods',
    doc: 'the modules: address, size, who uses them',
    operands: ['VMCORE'],
    help: {
      usage: 'smelt mods [OPTIONS] VMCORE',
      about: [
        'Lists the loaded modules of the crashed kernel: where each lies, its size, its',
        'state where that is not "live", what it taints, and which others use it.',
      ],
      examples: [['smelt mods vmcore', 'what was loaded?']],
      end: END,
    },
    run: async (tokens, display, host) => (await import('./mods.ts')).runMods(tokens, display, host),
  },
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
      end: END,
    },
    run: async (tokens, display, host) => (await import('./pages.ts')).runPages(tokens, display, host),
  },
  {
    name: 'map',
    doc: 'a picture of the memory',
    common: true,
    operands: ['VMCORE'],
    help: {
      usage: 'smelt map [OPTIONS] VMCORE [-o map.html]',
      about: [
        'Draws memory in physical order, a colour a class. Shared and encrypted memory is',
        'hatched, and what the dump does not have is dotted.',
      ],
      examples: [
        ['smelt map vmcore', 'in the terminal; without colours in letters'],
        ['smelt map vmcore -o map.html', 'down to the single page frame'],
      ],
      end: END,
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
        'of the kernel (ffff…), or a symbol (linux_banner, init_task+0x10). LEN counts',
        'bytes with --words too.',
      ],
      examples: [
        ['smelt read vmcore linux_banner 128', 'what the kernel calls itself'],
        ['smelt read vmcore 0x1000 4K', 'a page frame'],
        ['smelt read -w vmcore sys_call_table 64', 'eight words, by their symbols'],
        ['smelt read vmcore init_task 8K --raw > task', 'the bytes themselves'],
      ],
      end: END,
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
      end: END,
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
        "Shows symbols of the kernel's own table: all, those that NAME fits (* stands for",
        'any text, ? for a character), or the one that ADDR lies in.',
      ],
      examples: [
        ['smelt symbols vmcore init_task', 'where is it?'],
        ["smelt symbols vmcore 'kexec_*'", 'a pattern'],
        ['smelt symbols vmcore ffffffff81000123', 'what is there?'],
        ['smelt symbols vmcore __crash_kexec+0x77', 'which address is it?'],
      ],
      end: END,
    },
    run: async (tokens, display, host) => (await import('./symbols.ts')).runSymbols(tokens, display, host),
  },
  {
    name: 'verify',
    doc: 'is a dump whole? every header, bitmap and page',
    operands: ['VMCORE'],
    help: {
      usage: 'smelt verify [OPTIONS] VMCORE',
      about: [
        'Reads all of VMCORE: headers, notes, bitmaps, page descriptors, and every page,',
        'which is unpacked. Lists what is wrong, and says how much the bytes prove.',
      ],
      examples: [
        ['smelt verify vmcore && rm original', 'before the other copy goes'],
        ['smelt verify --json vmcore | jq .report.findings', 'for programs'],
      ],
      end: [PARTS, 'Exit codes: 0 nothing is wrong; 1 something is, or it could not be looked at.'],
    },
    run: async (tokens, display, host) => (await import('./verify.ts')).runVerify(tokens, display, host),
  },
  {
    name: 'diff',
    doc: 'two dumps page by page',
    operands: ['A', 'B', '…'],
    help: {
      usage: 'smelt diff [OPTIONS] A B',
      about: [
        'Compares two dumps of any format page by page: pages that differ, and pages that',
        'only one has, by class. Of split dumps all parts are given, those of A first.',
      ],
      examples: [
        ['smelt diff vmcore small', 'was it filtered as it should be?'],
        ['smelt diff --exact vmcore copy', 'has it all, and nothing else?'],
      ],
      end: [
        'Exit codes: 0 no page that both have differs, with --exact: and both have the',
        'same pages; 1 something differs (told on stdout), or failed (on stderr alone).',
      ],
    },
    run: async (tokens, display, host) => (await import('./diff.ts')).runDiff(tokens, display, host),
  },
];

/** The row of a command. */
export function lookCommand(name: Command['name']): Command {
  return LOOK_COMMANDS.find((command) => command.name === name)!;
}
