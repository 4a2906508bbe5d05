/** Completion for fish. */

import { COMMANDS, DEFAULT_COMMAND } from './commands.ts';
import { completables, completes } from './complete.ts';
import type { CommandName, Option } from './option.ts';
import { docOf } from './options.ts';

const VALUES = {
  files: '-r -F',
  directories: "-x -a '(__fish_complete_directories)'",
  programs: "-x -a '(__fish_complete_command)'",
  nothing: '-x',
} as const;

export function fishCompletion(): string {
  const others = COMMANDS.filter((command) => command !== DEFAULT_COMMAND).map(({ name }) => name);
  const lines = completables().flatMap(({ command, options }) => {
    const { name, doc, words } = command;
    const when =
      command === DEFAULT_COMMAND
        ? `not __fish_seen_subcommand_from help ${others.join(' ')}`
        : `__fish_seen_subcommand_from ${name}`;
    return [
      `complete -c smelt -n __fish_use_subcommand -a ${name} -d ${quoted(doc)}`,
      ...(words === undefined ? [] : [`complete -c smelt -n '${when}' -a '${words.join(' ')}'`]),
      ...options.map((option) => `complete -c smelt -n '${when}' ${line(option, name)}`),
    ];
  });
  const names = COMMANDS.map(({ name }) => name).join(' ');
  const help = [
    "complete -c smelt -n __fish_use_subcommand -a help -d 'explain a command'",
    `complete -c smelt -n '__fish_seen_subcommand_from help' -f -a '${names}'`,
    '# A makedumpfile that is a link to smelt.',
    'if string match -q -- "*/smelt" (realpath -- (command -s makedumpfile) 2> /dev/null)',
    '    complete -c makedumpfile -w smelt',
    'end',
  ];
  const all = [...lines, ...help].join('\n');
  return `# fish completion for smelt, made by \`smelt --generate complete-fish\`.\n${all}\n`;
}

function line(option: Option, command: CommandName): string {
  const { short, long, valueName } = option;
  const what = completes(option);
  return [
    ...(short === undefined ? [] : [`-s ${short}`]),
    ...(long === undefined ? [] : [`-l ${long}`]),
    ...(valueName === undefined
      ? []
      : [typeof what === 'string' ? VALUES[what] : `-x -a '${what.join(' ')}'`]),
    `-d ${quoted(docOf(option, command))}`,
  ].join(' ');
}

function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}
