/** Numbers of a benchmark as its tables and its picture show them. */

import type { AdviceReport, Estimate, Setting } from '../bench/report.ts';
import type { Spread } from '../bench/spread.ts';
import { LETTER_OF_CODEC } from '../bench/whole-runs.ts';
import { count } from '../units.ts';

export const WIDTH = 80;
export const INDENT = '  ';

/** "(2,900 … 3,200)" */
export function range({ min, max }: Spread, show: (value: number) => string): string {
  return `(${show(min)} … ${show(max)})`;
}

/** MB/s, without the unit. */
export function inMb(bytesPerSecond: number): string {
  return count(bytesPerSecond / 1e6);
}

export function seconds(ms: number): string {
  return (ms / 1000).toFixed(ms < 9995 ? 2 : 1);
}

/** 2.0, 20.5, 1,200: enough digits to compare. */
export function short(value: number): string {
  return value < 99.5 ? value.toFixed(1) : count(value);
}

/** "0.42 ms", "62 ms", "1.42 s" */
export function shortTime(ms: number): string {
  if (ms >= 999.5) return `${seconds(ms)} s`;
  return `${ms < 9.995 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}

/** "-z --compression-level 3", as it would be typed. */
export function settingOptions({ codec, level, kind }: Setting): string {
  if (codec === 'raw') return 'no codec';
  return [
    LETTER_OF_CODEC[codec],
    ...(level === undefined || level === 1 ? [] : ['--compression-level', level]),
    ...(kind === 'portable' ? ['(portable)'] : []),
  ].join(' ');
}

/** What the advice names: "fastest -l", each setting once and as `told`. */
export function namedSettings(
  { fastest, between, smallest }: AdviceReport,
  told: (one: Estimate) => string,
): string[] {
  const names = new Map<Estimate, string[]>();
  for (const [name, one] of [
    ['fastest', fastest],
    ['in between', between],
    ['smallest of those measured', smallest],
  ] as const) {
    names.set(one, [...(names.get(one) ?? []), name]);
  }
  return [...names].map(([one, all]) => `${all.join(' and ')} ${told(one)}`);
}
