/** The table of commands: what `smelt --help` lists and what the first operand may name. */

import { existsSync } from 'node:fs';
import type { DisplayOptions } from './display.ts';
import type { Host } from './host.ts';
import { LOOK_COMMANDS } from './look/commands.ts';
import type { CommandName } from './option.ts';
import type { Token } from './tokens.ts';

export interface Command {
  readonly name: CommandName;
  /** One line of `smelt --help`, without a full stop. */
  readonly doc: string;
  /** Stands in the short `smelt --help` with its doc; the others by name. */
  readonly common?: true;
  /** What it takes besides options, in the order of the command line. */
  readonly operands: readonly string[];
  /** What its first operand is one of, where it is no file. */
  readonly words?: readonly string[];
  /** What its help says. */
  readonly help: CommandHelp;
  /** Runs it on the tokens without the command's own name; gives the exit code. @throws SmeltError */
  readonly run: (tokens: readonly Token[], display: DisplayOptions, host: Host) => Promise<number>;
}

export interface CommandHelp {
  /** Behind "Usage: ". */
  readonly usage: string;
  /** Lines of at most 80 columns, what it is for. */
  readonly about: readonly string[];
  readonly examples: readonly Example[];
  /** The last lines. */
  readonly end: readonly string[];
}

export type Example = readonly [command: string, what: string];

export const DUMP_EXAMPLES: readonly Example[] = [
  ['smelt -l -d 31 /proc/vmcore /var/crash/vmcore', 'in the kdump kernel'],
  ['smelt -z -d 31 vmcore small', 'a dump to send away'],
  ['smelt -c -d 1 --num-threads 8 vmcore whole', 'all but zero pages'],
];

export const LUKS_VERBS = ['status', 'register', 'unlock', 'lock'] as const;

/** The first one is what smelt does when no command is named. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'dump',
    doc: 'filter and compress a dump; the default',
    common: true,
    operands: ['VMCORE', 'DUMPFILE'],
    help: {
      usage: 'smelt [dump] [OPTIONS] VMCORE DUMPFILE',
      about: [
        'Reads VMCORE (/proc/vmcore, an ELF or a kdump-compressed dump, flattened or not;',
        'of a split one all its PARTs) and writes DUMPFILE (kdump-compressed) without the',
        'pages that nobody needs.',
      ],
      examples: DUMP_EXAMPLES,
      end: [
        'Exit codes: 0 done, 1 failed or interrupted, 2 VMCOREINFO of another kernel,',
        '130 stopped at once by a second Ctrl-C.',
      ],
    },
    run: async (tokens, display, host) => (await import('./dump-command.ts')).runDump(tokens, display, host),
  },
  {
    name: 'convert',
    doc: 'another format: --to kdump, elf, raw or lime',
    operands: ['VMCORE', 'DUMPFILE'],
    help: {
      usage: 'smelt convert [OPTIONS] VMCORE DUMPFILE --to FORMAT',
      about: [
        'Writes all that VMCORE has as a dump of another format: kdump (compressed), elf,',
        'raw (address 0 first), or lime (what Volatility takes). -d leaves pages out.',
      ],
      examples: [
        ['smelt convert vmcore vmcore.elf --to elf', 'for gdb, Volatility'],
        ['smelt convert vmcore vmcore.lime --to lime', 'for Volatility'],
        ['smelt convert -z vmcore small --to kdump', 'small, and complete'],
      ],
      end: ['Exit codes: 0 done, 1 failed or interrupted.'],
    },
    run: async (tokens, display, host) =>
      (await import('./dump-command.ts')).runConvert(tokens, display, host),
  },
  {
    name: 'salvage',
    doc: 'what is whole of a dump that is cut or damaged',
    common: true,
    operands: ['BROKEN', 'DUMPFILE'],
    help: {
      usage: 'smelt salvage [OPTIONS] BROKEN DUMPFILE',
      about: [
        'Reads BROKEN, a kdump-compressed, flattened or ELF dump that is cut short or',
        'damaged (of a split one the PARTs that are there), and writes DUMPFILE with all',
        'pages that are whole, packed as they were; without DUMPFILE: --dry-run.',
      ],
      examples: [
        ['smelt salvage vmcore.incomplete vmcore', 'what could not be finished'],
        ['smelt salvage --dry-run vmcore', 'what could be saved?'],
        ['smelt salvage -z cut.elf saved', 'and compress it'],
      ],
      end: ['Exit codes: 0 something was saved, and what was lost is told; 1 nothing was.'],
    },
    run: async (tokens, display, host) =>
      (await import('./salvage-command.ts')).runSalvage(tokens, display, host),
  },
  ...LOOK_COMMANDS,
  {
    name: 'sme',
    doc: 'which pages were encrypted; --live: this machine',
    operands: ['VMCORE'],
    help: {
      usage: 'smelt sme [OPTIONS] VMCORE, or smelt sme --live',
      about: [
        'Says which pages of VMCORE were encrypted while the machine ran and which were',
        'shared, by its page tables, and whether VMCORE was read as it has to be.',
      ],
      examples: [
        ['smelt sme vmcore', 'a census of the page tables'],
        ['smelt sme vmcore --pages bitmaps', 'for other tools'],
        ['smelt sme --live', 'would a crash leave a readable dump?'],
      ],
      end: ['Exit codes: 0 VMCORE, or a dump of this machine, can be read; 1 not, or unknown.'],
    },
    run: async (tokens, display, host) => (await import('./sme-command.ts')).runSme(tokens, display, host),
  },
  {
    name: 'luks',
    doc: 'encrypted targets: status, register, unlock, lock',
    operands: ['status', 'PATH'],
    words: LUKS_VERBS,
    help: {
      usage: 'smelt luks status|register|unlock|lock [OPTIONS] [PATH or DEVICE…]',
      about: [
        'status says what PATH (/var/crash) is on, and whether all of that is encrypted;',
        'register hands the volume keys of DEVICEs to the crash kernel; there, unlock',
        'opens and mounts DEVICE with the key that arrived, and lock undoes that.',
      ],
      examples: [
        ['smelt luks status /var/crash', 'would a dump be encrypted?'],
        ['smelt luks register luks-data', 'before `kexec -s -p`'],
        ['smelt luks unlock UUID=… --mount /crash', 'in the crash kernel'],
        ['smelt luks lock --mount /crash', 'unmount and close'],
      ],
      end: ['Exit codes: 0 done, of status also: PATH is encrypted; 1 it is not, or failed.'],
    },
    run: async (tokens, display, host) => (await import('./luks-command.ts')).runLuks(tokens, display, host),
  },
  {
    name: 'bench',
    doc: 'measure codecs, levels and threads on a dump',
    operands: ['VMCORE'],
    help: {
      usage: 'smelt bench [OPTIONS] [VMCORE]',
      about: ['Measures what dumping VMCORE costs on this machine, and gives advice.'],
      examples: [
        ['smelt bench vmcore --chart costs.svg', 'the cost of each codec'],
        ['smelt bench -c vmcore --peer makedumpfile', 'smelt beside makedumpfile'],
        ['smelt bench --synthetic 64G --work-dir /scratch', 'a machine of 64 GiB'],
      ],
      end: [],
    },
    run: async (tokens, display, host) =>
      (await import('./bench-command.ts')).runBench(tokens, display, host),
  },
];
export const DEFAULT_COMMAND = COMMANDS[0];

export interface Chosen {
  readonly command: Command;
  /** Whether it was named and not just the default. */
  readonly named: boolean;
  /** `smelt help` or `smelt help COMMAND`. */
  readonly help: boolean;
  /** What help is asked about, where that is no command. */
  readonly unknown?: string | undefined;
  /** The tokens without the command's name. */
  readonly rest: readonly Token[];
}

/** The first operand names the command when it is the name of one; a file of that name is written ./dump. */
export function chooseCommand(tokens: readonly Token[]): Chosen {
  const [first, second] = tokens.filter((token) => token.kind === 'operand');
  const commandOf = (token: typeof first | undefined) =>
    token?.commandPossible ? COMMANDS.find(({ name }) => name === token.text) : undefined;
  const command = commandOf(first);
  if (command !== undefined)
    return { command, named: true, help: false, rest: tokens.filter((token) => token !== first) };
  const subject = commandOf(second);
  // `smelt help small` may be meant to filter a file of that name.
  const help = first?.text === 'help' && first.commandPossible && !existsSync('help');
  if (help && subject !== undefined) return { command: subject, named: true, help, rest: [] };
  const unknown = help ? second?.text : undefined;
  return { command: DEFAULT_COMMAND, named: false, help, unknown, rest: tokens };
}
