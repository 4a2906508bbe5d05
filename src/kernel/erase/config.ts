/** makedumpfile.conf(5): the rules of --config, which name kernel data that is to be erased. */

import { SmeltError } from '../../errors.ts';
import { comma } from '../../read/file.ts';

/** `symbol.member.member`, or in a loop `id.member`. */
export interface Expression {
  /** As it stands in the file. */
  readonly text: string;
  readonly first: string;
  readonly members: readonly string[];
}

export interface EraseRule {
  readonly line: number;
  readonly target: Expression;
  /** Bytes, or where their number stands; undefined: as many as the type has. */
  readonly size: number | Expression | undefined;
  /** Sets a pointer to NULL, instead of erasing what it leads to. */
  readonly nullify: boolean;
}

/** The rules of one `for … endfor`; a rule that stands alone is one without `loop`. */
export interface EraseCommand {
  readonly loop: Loop | undefined;
  readonly rules: readonly EraseRule[];
}

export interface Loop {
  readonly line: number;
  readonly id: string;
  readonly list: Expression;
  /** The member that leads to the next structure. */
  readonly via: string | undefined;
  /** The structure that a list_head is in, and which member of it; undefined: no list_head. */
  readonly within: { readonly structure: string; readonly member: string } | undefined;
}

export const MAX_CONFIG_BYTES = 2 ** 20;
const MAX_RULES = 10_000;
const KEYWORDS = ['erase', 'size', 'nullify', 'for', 'in', 'via', 'within', 'endfor'];
const KERNEL = 'vmlinux';
/** A list_head's member in the structure, where the file does not name it. */
const DEFAULT_LIST_MEMBER = 'list';

interface Word {
  readonly text: string;
  readonly line: number;
}

/** @throws SmeltError CORRUPT with the line; UNSUPPORTED for the symbols of a module */
export function parseEraseConfig(path: string, text: string): EraseCommand[] {
  const fail = (line: number, what: string): SmeltError =>
    new SmeltError('CORRUPT', `${path}: line ${line}: ${what}`, {
      hint: 'makedumpfile.conf(5) has the rules, docs/names.md what smelt makes of them.',
    });
  const words = wordsOf(path, text, fail);
  let next = 0;
  let rules = 0;
  const lastLine = words.at(-1)?.line ?? 1;
  const lineHere = () => words[next]?.line ?? lastLine;
  const is = (keyword: string) => words[next]?.text === keyword;
  const takes = (keyword: string) => is(keyword) && ++next > 0;
  const name = (what: string): string => {
    const word = words[next];
    if (word === undefined || KEYWORDS.includes(word.text)) {
      const saw = word === undefined ? 'the end of the file' : `"${word.text}"`;
      throw fail(lineHere(), `expected ${what}, saw ${saw}`);
    }
    next++;
    return word.text;
  };
  const expression = (what: string): Expression => {
    const line = lineHere();
    const written = name(what);
    const [first, ...members] = written.split('.');
    if (!first || members.includes(''))
      throw fail(line, `"${written}" is no symbol with members behind dots`);
    return { text: written, first, members };
  };
  const rule = (loop: Loop | undefined): EraseRule => {
    const { line } = words[next++]!;
    if (++rules > MAX_RULES) throw fail(line, `there are more than ${comma(MAX_RULES)} rules`);
    const target = expression('what to erase');
    if (loop !== undefined && target.first !== loop.id)
      throw fail(line, `"${target.text}" does not begin with "${loop.id}", which the loop is over`);
    const nullify = takes('nullify');
    let size: EraseRule['size'];
    if (takes('size')) size = numberOf(words[next]?.text) ?? expression('a size');
    if (typeof size === 'number') next++;
    return { line, target, size, nullify };
  };
  const loopHead = (): Loop => {
    const { line } = words[next++]!;
    const id = name('a name for the elements of the list');
    if (!takes('in')) throw fail(lineHere(), `expected "in" behind "for ${id}"`);
    const list = expression('the list');
    const via = takes('via') ? name('the member that leads to the next structure') : undefined;
    if (via !== undefined || !takes('within')) return { line, id, list, via, within: undefined };
    const written = name('STRUCTURE:MEMBER');
    const [structure, member = DEFAULT_LIST_MEMBER] = written.split(':');
    if (!structure || !member) throw fail(line, `"${written}" is not STRUCTURE:MEMBER`);
    return { line, id, list, via, within: { structure, member } };
  };

  const commands: EraseCommand[] = [];
  while (next < words.length) {
    if (is('erase')) {
      commands.push({ loop: undefined, rules: [rule(undefined)] });
      continue;
    }
    if (!is('for')) throw fail(lineHere(), `expected "erase" or "for", saw "${words[next]!.text}"`);
    const loop = loopHead();
    const inside: EraseRule[] = [];
    while (is('erase')) inside.push(rule(loop));
    if (!takes('endfor')) {
      const saw = words[next] === undefined ? 'the end of the file' : `"${words[next]!.text}"`;
      throw fail(lineHere(), `expected "erase" or "endfor" in the loop of line ${loop.line}, saw ${saw}`);
    }
    commands.push({ loop, rules: inside });
  }
  return commands;
}

/** 4096 for "4K"; undefined for what is no number. */
function numberOf(text: string | undefined): number | undefined {
  const [, digits, unit] = /^(\d{1,12})([KM]?)$/i.exec(text ?? '') ?? [];
  if (digits === undefined) return undefined;
  return Number(digits) * (unit === '' ? 1 : unit!.toUpperCase() === 'K' ? 2 ** 10 : 2 ** 20);
}

/** Commands may go over several lines; a section is a line of its own. */
function wordsOf(path: string, text: string, fail: (line: number, what: string) => SmeltError): Word[] {
  const words: Word[] = [];
  for (const [i, full] of text.split('\n').entries()) {
    const line = i + 1;
    const [content] = full.split('#');
    if (content!.startsWith('[')) {
      const [, section] = /^\[([^\]]*)\]\s*$/.exec(content!) ?? [];
      if (section === undefined) throw fail(line, 'a section is a name in [ ]');
      if (section === KERNEL) continue;
      throw new SmeltError(
        'UNSUPPORTED',
        `${path}: line ${line}: the symbols of modules (${section}) cannot be had`,
        {
          hint: `Only data of the kernel itself are erased: leave the section out, and give the dump to nobody who must not see what it was to erase.`,
        },
      );
    }
    for (const word of content!.split(/\s+/)) if (word !== '') words.push({ text: word, line });
  }
  return words;
}

/** Every expression that begins with a symbol of the kernel. */
export function symbolsOf(commands: readonly EraseCommand[]): Set<string> {
  const symbols = new Set<string>();
  for (const { loop, rules } of commands) {
    if (loop !== undefined) symbols.add(loop.list.first);
    for (const { target, size } of rules) {
      for (const expression of [target, size]) {
        if (typeof expression === 'object' && expression.first !== loop?.id) symbols.add(expression.first);
      }
    }
  }
  return symbols;
}
