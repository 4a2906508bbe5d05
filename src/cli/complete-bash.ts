/** Completion for bash. */

import { COMMANDS, DEFAULT_COMMAND } from './commands.ts';
import { completables, completes, spellings } from './complete.ts';
import { ALL_OPTIONS } from './options.ts';

/** compgen's letters. */
const COMPGEN = { files: '-f', directories: '-d', programs: '-c' } as const;

export function bashCompletion(): string {
  const names = COMMANDS.map(({ name }) => name);
  return `# bash completion for smelt, made by \`smelt --generate complete-bash\`.
_smelt() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} command= words= options= files=1 word at
  # --option=value is three words here.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((at = 1; at < COMP_CWORD; at++)); do
    word=\${COMP_WORDS[at]}
    case $word in
      ${withValue().join(' | ')}) at=$((at + 1)) ;;
      ${names.join(' | ')} | help) command=$word && break ;;
    esac
  done
  COMPREPLY=()
  case $prev in
${valueCases().join('\n')}
  esac
  case $command in
${commandCases().join('\n')}
  esac
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
  else
    compopt -o filenames 2> /dev/null
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur"; [[ ! $files ]] || compgen -f -- "$cur")
  fi
}
complete -F _smelt smelt
# A makedumpfile that is a link to smelt.
[[ $(readlink -f "$(type -P makedumpfile)") != */smelt ]] || complete -F _smelt makedumpfile
`;
}

function withValue(): string[] {
  return ALL_OPTIONS.filter(({ valueName }) => valueName !== undefined).flatMap(spellings);
}

/** What may stand behind an option. */
function valueCases(): string[] {
  return ALL_OPTIONS.filter(({ valueName }) => valueName !== undefined).map((option) => {
    const what = completes(option);
    const patterns = spellings(option).join(' | ');
    if (what === 'nothing') return `    ${patterns}) return ;;`;
    const how = typeof what === 'string' ? COMPGEN[what] : `-W '${what.join(' ')}'`;
    const names = what === 'files' || what === 'directories' ? 'compopt -o filenames 2> /dev/null; ' : '';
    return `    ${patterns}) ${names}mapfile -t COMPREPLY < <(compgen ${how} -- "$cur") && return ;;`;
  });
}

function commandCases(): string[] {
  return completables().flatMap(({ command, options }) => {
    const all = `options='${options.flatMap(spellings).join(' ')}'`;
    const named = `    ${command.name}) ${all} words='${(command.words ?? []).join(' ')}' ;;`;
    if (command !== DEFAULT_COMMAND) return [named];
    const names = COMMANDS.map(({ name }) => name).join(' ');
    return [named, `    '') ${all} words='${names} help' ;;`, `    help) words='${names}' files= ;;`];
  });
}
