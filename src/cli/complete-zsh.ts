/** Completion for zsh. */

import { COMMANDS, DEFAULT_COMMAND } from './commands.ts';
import { completables, completes, spellings } from './complete.ts';
import type { CommandName, Option } from './option.ts';
import { docOf } from './options.ts';

const ACTIONS = {
  files: '_files',
  directories: '_files -/',
  programs: '_command_names -e',
  nothing: ' ',
} as const;

export function zshCompletion(): string {
  const names = COMMANDS.map(({ name }) => name);
  const help = `    help)\n      _values command ${names.join(' ')} ;;`;
  return `#compdef smelt makedumpfile
# zsh completion for smelt, made by \`smelt --generate complete-zsh\`.
_smelt_first() {
  _alternative 'commands:command:((${COMMANDS.map(({ name, doc }) => `${name}\\:"${escaped(doc)}"`).join(' ')} help\\:"explains a command"))' 'files:file:_files'
}
_smelt() {
  local command= word
  # Another one than a link to smelt has other options.
  if [[ $service == makedumpfile && \${commands[makedumpfile]:A:t} != smelt ]]; then
    _default
    return
  fi
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case $word in
      ${names.join('|')}|help) command=$word; break ;;
    esac
  done
  case $command in
${completables()
  .flatMap(({ command, options }) => {
    const specs = options.map((option) => `      ${spec(option, command.name)} \\`).join('\n');
    const words =
      command.words === undefined
        ? '_files'
        : `_alternative "words:action:(${command.words.join(' ')})" "files:file:_files"`;
    const one = (name: string, action: string) =>
      `    ${name})\n    _arguments -s -S \\\n${specs}\n      '*: :${action}' ;;`;
    const named = one(command.name, ` ${words}`);
    return command === DEFAULT_COMMAND ? [named, one("''", '_smelt_first'), help] : [named];
  })
  .join('\n')}
  esac
}
_smelt "$@"
`;
}

/** "'(-d --dump-level)'{-d,--dump-level=}'[pages to leave out]:LEVEL: '" */
function spec(option: Option, command: CommandName): string {
  const names = spellings(option).map((name) =>
    name.startsWith('--') && option.valueName !== undefined ? `${name}=` : name,
  );
  const what = completes(option);
  const action = typeof what === 'string' ? ACTIONS[what] : `(${what.join(' ')})`;
  const value = option.valueName === undefined ? '' : `:${option.valueName}:${action}`;
  const text = `'[${escaped(docOf(option, command))}]${value}'`;
  return names.length === 1
    ? `${names[0]}${text}`
    : `'(${spellings(option).join(' ')})'{${names.join(',')}}${text}`;
}

/** Within a spec in quotes. */
function escaped(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''");
}
