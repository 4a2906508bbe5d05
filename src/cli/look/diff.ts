/** `smelt diff` */

import { ExitCode, SmeltError } from '../../errors.ts';
import type { PageClass } from '../../filter/page-class.ts';
import type { DiffReport, DiffRequest, PagesReport } from '../../inspect/diff.ts';
import { count, memory } from '../../units.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import { CLASS_NAMES, inputLine } from '../summary.ts';
import { hang } from '../text.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { type Look, type LookArgs, runLook, type Screen } from './look.ts';
import { framesText, runLine } from './pages-text.ts';

export const runDiff = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('diff'), tokens, display, host);

const look: Look<DiffRequest, 'diff'> = {
  name: 'diff',
  parse,
  run: (looks, request, observer, signal) => looks.diff(request, observer, signal),
  text,
  exitCode: ({ same }) => (same ? ExitCode.ok : ExitCode.failed),
};

function parse({ values, operands, request }: LookArgs): DiffRequest {
  if (operands.length === 0) {
    throw new SmeltError('USAGE', 'B is missing: nothing says what the dump is compared with', {
      hint: '`smelt diff A B`; `smelt diff --help` has examples.',
    });
  }
  return { ...request, others: operands, exact: values.exact ?? false };
}

const KINDS = [
  ['differ', 'differ'],
  ['unreadable', 'not whole'],
  ['onlyA', 'only in A'],
  ['onlyB', 'only in B'],
] as const;
const LABEL = 13;

function text(report: DiffReport, { width }: Screen): string[] {
  const { a, b, pageSizeBytes, identicalPages } = report;
  const counts = [identicalPages, ...KINDS.map(([kind]) => report[kind].pages)];
  const digits = Math.max(...counts.map((pages) => count(pages).length));
  const row = (label: string, pages: number) => {
    const size = pages === 0 ? '' : `  ${memory(pages * pageSizeBytes)}`;
    return `  ${label.padEnd(LABEL - 2)}${count(pages).padStart(digits)} page${pages === 1 ? ' ' : 's'}${size}`.trimEnd();
  };
  const below = (words: string) => hang(' '.repeat(LABEL), words.split(' '), width);
  return [
    inputLine(a, width),
    inputLine(b, width),
    outcome(report),
    '',
    row('identical', identicalPages),
    ...KINDS.flatMap(([kind, label]) => {
      const found = report[kind];
      if (found.pages === 0) return [row(label, 0)];
      const classes = classesText(found);
      return [
        row(label, found.pages),
        ...(classes === undefined ? [] : below(classes)),
        ...below(framesText(found.runs)),
      ];
    }),
    '',
    `  ${'run'.padEnd(LABEL - 2)}${runLine(report, pageSizeBytes)}`,
  ];
}

function outcome({ same, exact, differ, unreadable, onlyA, onlyB }: DiffReport): string {
  const pages = (n: number) => (n === 1 ? '1 page' : `${count(n)} pages`);
  if (differ.pages > 0) return `different: ${pages(differ.pages)} that both have`;
  if (unreadable.pages > 0) return `different: ${pages(unreadable.pages)} could not be compared`;
  const lone = onlyA.pages + onlyB.pages;
  if (lone === 0) return 'the same: both have the same pages';
  if (exact && !same) return `different: ${pages(lone)} that only one has`;
  return 'the same: no page that both have differs';
}

/** "free 2,677, page cache 1,591" */
function classesText({ classes }: PagesReport): string | undefined {
  if (classes === undefined) return undefined;
  return (Object.entries(classes) as [PageClass, number][])
    .sort(([, x], [, y]) => y - x)
    .map(([name, pages]) => `${CLASS_NAMES[name]} ${count(pages)}`)
    .join(', ');
}
