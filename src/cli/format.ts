/** Numbers as people read them, a unit behind each. */

import { count, fileSize, group } from '../units.ts';
import type { LogReport, Phase } from '../workers/report.ts';

/** "1 page", "1,048,576 pages" */
export function pages(value: number): string {
  return value === 1 ? '1 page' : `${count(value)} pages`;
}

/** What a phase counts: "25 page tables", "1,048,576 pages". */
export function amount(phase: Phase, value: number): string {
  if (phase !== 'census') return pages(value);
  return value === 1 ? '1 page table' : `${count(value)} page tables`;
}

/** "407 records, 30.5 kB" */
export function logSize({ records, sizeBytes }: LogReport): string {
  return `${records === 1 ? '1 record' : `${count(records)} records`}, ${fileSize(sizeBytes)}`;
}

/** "412 MB/s", "1.2 GB/s"; undefined when the time is too short to say. */
export function speed(bytes: number, ms: number): string | undefined {
  if (ms < 1 || bytes <= 0) return undefined;
  const perSecond = (bytes / ms) * 1000;
  const inMb = perSecond / 1e6;
  return inMb >= 99.95 && inMb < 999.5 ? `${inMb.toFixed(0)} MB/s` : `${fileSize(perSecond)}/s`;
}

/**
 * How fast a phase is. Classifying reads little of the memory that it speaks of, so bytes would promise too much: it is
 * "87.4 M pages/s"; compressing is "412 MB/s" of pages read.
 */
export function phaseRate(
  phase: Phase,
  donePages: number,
  pageSizeBytes: number,
  ms: number,
): string | undefined {
  if (phase === 'census') return undefined;
  if (phase !== 'classify' && phase !== 'frames') return speed(donePages * pageSizeBytes, ms);
  if (ms < 1 || donePages <= 0) return undefined;
  const perSecond = (donePages / ms) * 1000;
  return perSecond < 999_950
    ? `${count(perSecond)} pages/s`
    : `${group((perSecond / 1e6).toFixed(1))} M pages/s`;
}

/** "0.8 %", "<0.1 %" */
export function percent(part: number, whole: number): string {
  const value = (part / whole) * 100;
  if (part > 0 && value < 0.05) return '<0.1 %';
  return `${group(value.toFixed(1))} %`;
}

/** "0.01 s", "0.4 s", "2 min 5 s", "1 h 2 min" */
export function duration(ms: number): string {
  if (ms < 5) return '<0.01 s';
  if (ms < 95) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${count(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** Time left: "0:03", "1:02:03". */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return hours === 0 ? `${minutes}:${two(seconds % 60)}` : `${hours}:${two(minutes)}:${two(seconds % 60)}`;
}
