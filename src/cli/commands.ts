/** The table of commands: what `smelt --help` lists and what the first operand may name. */

import type { DisplayOptions } from './display.ts';
import type { Host } from './host.ts';
import type { Token } from './tokens.ts';

export interface Command {
  readonly name: string;
  /** One line of `smelt --help`, without a full stop. */
  readonly doc: string;
  /** What it takes besides options, in the order of the command line. */
  readonly operands: readonly string[];
  /** Runs it on the tokens without the command's own name; gives the exit code. @throws SmeltError */
  readonly run: (tokens: readonly Token[], display: DisplayOptions, host: Host) => Promise<number>;
}

/** The first one is what smelt does when no command is named. */
export const COMMANDS: readonly Command[] = [
  {
    name: 'dump',
    doc: 'filter and compress a dump; the default',
    operands: ['VMCORE', 'DUMPFILE'],
    run: async (tokens, display, host) => (await import('./dump-command.ts')).runDump(tokens, display, host),
  },
];
export const DEFAULT_COMMAND = COMMANDS[0];

export interface Chosen {
  readonly command: Command;
  /** Whether it was named and not just the default. */
  readonly named: boolean;
  /** The tokens without the command's name. */
  readonly rest: readonly Token[];
}

/** The first operand names the command when it is the name of one; a file of that name is written ./dump. */
export function chooseCommand(tokens: readonly Token[]): Chosen {
  const first = tokens.find((token) => token.kind === 'operand');
  const command = first?.commandPossible ? COMMANDS.find(({ name }) => name === first.text) : undefined;
  if (command === undefined) return { command: DEFAULT_COMMAND, named: false, rest: tokens };
  return { command, named: true, rest: tokens.filter((token) => token !== first) };
}
