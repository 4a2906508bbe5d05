/** `--json`: one object on stdout, for programs. */

import type { BenchReport } from '../bench/report.ts';
import type { SmeltError } from '../errors.ts';
import type { BtReport } from '../inspect/bt.ts';
import type { DiffReport } from '../inspect/diff.ts';
import type { ShowLogReport } from '../inspect/dmesg.ts';
import type { InfoReport } from '../inspect/info/report.ts';
import type { MapReport } from '../inspect/map.ts';
import type { ModsReport } from '../inspect/mods.ts';
import type { PagesReport } from '../inspect/pages.ts';
import type { PsReport } from '../inspect/ps.ts';
import type { ReadReport } from '../inspect/read.ts';
import type { SymbolsReport } from '../inspect/symbols.ts';
import type { VerifyReport } from '../inspect/verify.ts';
import type { VtopReport } from '../inspect/vtop.ts';
import type { LuksReport } from '../luks/actions.ts';
import type { LiveReport } from '../sme/live/report.ts';
import type {
  DmesgReport,
  DumpReport,
  RearrangeReport,
  ReassembleReport,
  SalvageReport,
  SmeReport,
  UsageReport,
  VmcoreinfoReport,
} from '../workers/report.ts';
import { printableJson } from './text.ts';

/**
 * The version of the objects' shape, their field `smelt`. It grows when a field goes away or changes its meaning; new
 * fields may come without notice.
 */
export const JSON_VERSION = 1;

/** What a command that succeeds prints. A value that is not known is null; masks are text ("0x8000000000000"). */
export interface JsonReport<C extends keyof Reports = 'dump'> {
  readonly smelt: typeof JSON_VERSION;
  readonly command: C;
  readonly report: Reports[C];
}

/** The report of each command. */
export interface Reports {
  readonly dump: DumpReport;
  readonly convert: DumpReport;
  readonly info: InfoReport;
  /** Of `smelt --dump-dmesg`, and with the records themselves of `smelt dmesg`. */
  readonly dmesg: DmesgReport | ShowLogReport;
  /** Of `smelt -g`. */
  readonly vmcoreinfo: VmcoreinfoReport;
  /** Of `smelt --mem-usage`. */
  readonly 'mem-usage': UsageReport;
  /** Of `smelt --check-params`; a command line that is not understood is a failure. */
  readonly 'check-params': { readonly understood: true };
  /** Of `smelt -R`. */
  readonly rearrange: RearrangeReport;
  /** Of `smelt --reassemble`. */
  readonly reassemble: ReassembleReport;
  readonly salvage: SalvageReport;
  readonly sme: SmeReport | LiveReport;
  readonly luks: LuksReport;
  readonly bench: BenchReport;
  readonly ps: PsReport;
  readonly bt: BtReport;
  readonly mods: ModsReport;
  readonly pages: PagesReport;
  readonly map: MapReport;
  readonly read: ReadReport;
  readonly vtop: VtopReport;
  readonly symbols: SymbolsReport;
  readonly verify: VerifyReport;
  readonly diff: DiffReport;
}

/** What a command that fails prints. `code` is one of ErrorCode and stays; the sentences may get better. */
export interface JsonFailure {
  readonly smelt: typeof JSON_VERSION;
  readonly error: {
    readonly code: string;
    readonly message: string;
    /** What to do, or null. */
    readonly hint: string | undefined;
    readonly exitCode: number;
  };
  /** Those given before the failure. */
  readonly warnings: readonly string[];
}

/** One line and its end. */
export function jsonReport<C extends keyof Reports>(command: C, report: Reports[C]): string {
  return [...jsonTexts(command, report)].join('');
}

/** The same bit by bit: all of it may be more than one string holds. */
export function* jsonTexts<C extends keyof Reports>(command: C, report: Reports[C]): Generator<string> {
  yield `{"smelt":${JSON_VERSION},"command":${text(command)},"report":{`;
  let comma = '';
  for (const [key, value] of Object.entries(report)) {
    yield `${comma}${text(key)}:`;
    if (Array.isArray(value)) yield* arrayTexts(value);
    else yield text(value);
    comma = ',';
  }
  yield '}}\n';
}

function* arrayTexts(values: readonly unknown[]): Generator<string> {
  yield '[';
  for (const [i, value] of values.entries()) yield `${i === 0 ? '' : ','}${text(value)}`;
  yield ']';
}

export function jsonFailure(error: SmeltError, warnings: readonly string[]): string {
  const { code, message, hint, exitCode } = error;
  const failure: JsonFailure = {
    smelt: JSON_VERSION,
    error: { code, message, hint, exitCode },
    warnings,
  };
  return `${text(failure)}\n`;
}

/** Every field is there: JSON.stringify would leave out what is undefined. */
function text(value: unknown): string {
  const json = JSON.stringify(value, (_key, field: unknown) => {
    if (field === undefined) return null;
    if (typeof field === 'bigint') return `0x${field.toString(16)}`;
    // Milliseconds with more digits than anybody measured.
    const isMeasured = typeof field === 'number' && !Number.isInteger(field);
    return isMeasured ? Math.round(field * 1000) / 1000 : field;
  });
  return printableJson(json);
}
