/** `smelt mods` */

import type { ModsReport } from '../../inspect/mods.ts';
import { count, memory } from '../../units.ts';
import type { InputRequest } from '../../workers/report.ts';
import { columns } from '../columns.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import { hang, printable } from '../text.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { type Look, runLook, type Screen } from './look.ts';
import { inputLine } from './where.ts';

export const runMods = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('mods'), tokens, display, host);

const look: Look<InputRequest, 'mods'> = {
  name: 'mods',
  parse: ({ request }) => request,
  run: (looks, request, observer, signal) => looks.mods(request, observer, signal),
  text,
};

function text({ input, modules }: ModsReport, { width }: Screen): string[] {
  const total = memory(modules.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  const rows = modules.map(({ name, base, sizeBytes, useCount, taints }) => [
    base.toString(16).padStart(16, '0'),
    count(sizeBytes / 1024),
    printable(name),
    useCount === undefined ? '?' : String(useCount),
    taints,
  ]);
  const line = inputLine(
    input,
    `${modules.length === 1 ? '1 module' : `${modules.length} modules`}, ${total}`,
    width,
  );
  if (modules.length === 0) return [line];
  const heads = ['BASE', 'KiB', 'NAME', 'USE', 'TAINT'];
  const [head, ...lines] = columns(['left', 'right', 'left', 'right', 'left'], [heads, ...rows]);
  const start = Math.max(...[head!, ...lines].map(({ length }) => length)) + 2;
  const users = modules.map(({ state, usedBy }) => [
    ...(state === 'live' ? [] : [`(${state ?? 'state unknown'})`]),
    ...(usedBy ?? ['?']).map((name, i, all) => `${printable(name)}${i < all.length - 1 ? ',' : ''}`),
  ]);
  return [
    line,
    '',
    `${head!.padEnd(start)}USED BY`,
    ...lines.flatMap((each, i) => hang(each.padEnd(start), users[i]!, width).map((words) => words.trimEnd())),
  ];
}
