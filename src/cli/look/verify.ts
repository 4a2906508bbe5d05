/** `smelt verify` */

import { ExitCode } from '../../errors.ts';
import type { Proof, StoredAs, VerifyReport, VerifyRequest } from '../../inspect/verify.ts';
import { count } from '../../units.ts';
import { columns } from '../columns.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import { inputLine } from '../summary.ts';
import { hang, printable } from '../text.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { type Look, runLook, type Screen } from './look.ts';
import { framesText, runLine } from './pages-text.ts';

export const runVerify = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('verify'), tokens, display, host);

const look: Look<VerifyRequest, 'verify'> = {
  name: 'verify',
  parse: ({ request }) => request,
  run: (looks, request, observer, signal) => looks.verify(request, observer, signal),
  text,
  exitCode: ({ whole }) => (whole ? ExitCode.ok : ExitCode.failed),
};

/** What is listed of many parts that are all wrong. */
const MOST_FINDINGS = 50;
const LABEL = 12;

const PROOFS: Readonly<Record<Proof, string>> = {
  contents: 'every byte is proved by a checksum',
  form: 'each unpacks to a page; damage may not show',
  nothing: 'nothing proves their bytes',
};

const STORAGE: Readonly<Record<StoredAs['storage'], string>> = {
  zlib: 'zlib',
  'zstd+checksum': 'zstd',
  zstd: 'zstd',
  lzo: 'lzo',
  snappy: 'snappy',
  raw: 'raw',
  memory: 'as it lay',
};

function text(report: VerifyReport, { width }: Screen): string[] {
  const { input, whole, findings, remarks, storedAs, wholePages } = report;
  const some = findings.length === 1 ? '1 thing is wrong' : `${count(findings.length)} things are wrong`;
  const row = (label: string, what: string) =>
    hang(`  ${label.padEnd(LABEL - 2)}`, printable(what).split(' '), width, LABEL);
  const listed = findings.slice(0, MOST_FINDINGS);
  const more = findings.length - listed.length;
  return [
    inputLine(input, width),
    whole ? 'whole: nothing is wrong with it' : `not whole: ${some}`,
    '',
    ...listed.flatMap(({ kind, what, path, runs, byteOffset }) => {
      const file = path === undefined ? '' : `${path}: `;
      const where = [
        ...(runs.length === 0 ? [] : [framesText(runs)]),
        ...(byteOffset === undefined || runs.length === 0 ? [] : [`the first at byte ${count(byteOffset)}`]),
      ];
      return [
        ...row('wrong', `${file}${what}`),
        ...(where.length === 0 ? [] : row('', `${where.join('; ')} (${kind})`)),
      ];
    }),
    ...(more > 0 ? row('', `and ${count(more)} more: --json has them all`) : []),
    ...remarks.flatMap((remark) => row('note', remark)),
    ...row('notes', notesText(report)),
    ...(wholePages === 0 ? row('pages', 'none') : []),
    ...columns(
      ['left', 'left', 'right', 'left'],
      storedAs.map(({ storage, proves, pages: some_ }, i) => [
        i === 0 ? 'pages   ' : '',
        STORAGE[storage],
        count(some_),
        PROOFS[proves],
      ]),
    ),
    ...row('run', runLine(report, input.pageSizeBytes)),
  ];
}

function notesText({ notes }: VerifyReport): string {
  if (notes.count === 0) return 'none';
  const cpus = notes.cpus === 1 ? 'registers of 1 CPU' : `registers of ${count(notes.cpus)} CPUs`;
  return [
    notes.count === 1 ? '1 note' : `${count(notes.count)} notes`,
    ...(notes.vmcoreinfo ? ['VMCOREINFO'] : []),
    ...(notes.cpus === 0 ? [] : [cpus]),
  ].join(', ');
}
