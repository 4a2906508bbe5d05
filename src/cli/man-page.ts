/** The manual page smelt(1), in mdoc(7). */

import { COMMANDS, type Command, DEFAULT_COMMAND } from './commands.ts';
import { CATEGORIES, type Option } from './option.ts';
import { ALL_OPTIONS, docOf, optionsOf } from './options.ts';

/** When the words of this file, or of the tables, changed last. */
const DATE = 'November 22, 2026';

/** mandoc calls longer ones bad style. */
const LINE_WIDTH = 78;

export function manPage(version: string): string {
  const lines = [
    `.\\" Made by \`smelt --generate man\` from the tables of commands and options.`,
    `.Dd ${DATE}`,
    '.Dt SMELT 1',
    '.Os',
    '.Sh NAME',
    '.Nm smelt',
    '.Nd filter, compress and write Linux vmcores',
    '.Sh SYNOPSIS',
    '.Bd -literal -compact',
    ...COMMANDS.map(({ help }) => escaped(help.usage)),
    '.Ed',
    '.Sh DESCRIPTION',
    ...prose(DEFAULT_COMMAND.help.about.join(' ')),
    '.Pp',
    `The commands of version ${version}:`,
    ...tagged(COMMANDS.map(({ name, doc }) => [`.It Cm ${name}`, ...prose(sentence(doc))])),
    ...COMMANDS.flatMap(section),
    '.Sh OPTIONS OF EVERY COMMAND',
    ...tagged(
      ALL_OPTIONS.filter(({ of }) => of === undefined).map((option) => item(option, option.doc, true)),
    ),
    '.Sh EXIT STATUS',
    ...COMMANDS.flatMap(({ name, help }) =>
      help.end.length === 0 ? [] : ['.Pp', `.Nm Cm ${name} :`, ...prose(help.end.join(' '))],
    ).slice(1),
    '.Sh EXAMPLES',
    ...COMMANDS.flatMap(({ help }) =>
      help.examples.flatMap(([command, what]) => [...prose(sentence(what)), `.Dl ${escaped(command)}`]),
    ),
    '.Sh SEE ALSO',
    '.Xr crash 8 ,',
    '.Xr makedumpfile 8',
  ];
  return `${lines.join('\n')}\n`;
}

/** A command's own options, by purpose; those that another one explains have one line. */
function section(command: Command): string[] {
  const own = optionsOf(command.name).filter(({ of }) => of !== undefined);
  const explained = (option: Option) => COMMANDS.find(({ name }) => option.of?.includes(name)) === command;
  const groups = Object.entries(CATEGORIES).flatMap(([category, title]) => {
    const options = own.filter((option) => option.category === category);
    if (options.length === 0) return [];
    const rows = options.map((option) => item(option, docOf(option, command.name), explained(option)));
    return [`.Ss ${title}`, ...tagged(rows)];
  });
  return [
    `.Sh OPTIONS OF SMELT ${command.name.toUpperCase()}`,
    ...(command === DEFAULT_COMMAND ? [] : prose(command.help.about.join(' '))),
    ...groups,
  ];
}

function item({ short, long, valueName, longDoc }: Option, doc: string, whole: boolean): string[] {
  const value = valueName === undefined ? '' : ` Ar ${escaped(valueName)}`;
  const names = [
    ...(short === undefined ? [] : [`Fl ${short}`]),
    ...(long === undefined ? [] : [`Fl -${long}`]),
  ];
  return [`.It ${names.join(' , ')}${value}`, ...prose(sentence(doc)), ...(whole ? prose(longDoc) : [])];
}

function tagged(items: readonly (readonly string[])[]): string[] {
  return ['.Bl -tag -width Ds', ...items.flat(), '.El'];
}

/** A doc of the tables as a sentence. */
function sentence(text: string): string {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}

/** Each sentence begins a line, and none is long. */
function prose(text: string): string[] {
  return text.split(/(?<=[.!?]) (?=[A-Z`-])/).flatMap((one) => {
    const lines: string[] = [];
    let line = '';
    for (const word of escaped(one).split(' ')) {
      if (line !== '' && line.length + 1 + word.length > LINE_WIDTH) {
        lines.push(line);
        line = '';
      }
      line += line === '' ? word : ` ${word}`;
    }
    return [...lines, line].map((each) => (/^[.']/.test(each) ? `\\&${each}` : each));
  });
}

/** What roff would take for something else. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('`', '\\(ga').replaceAll('-', '\\-').replaceAll('…', '...');
}
