/** What a dump does not have, or nobody could read of it: sentences, the worst first. */

import { archByName } from '../../arch/architectures.ts';
import { DumpLevel } from '../../filter/page-class.ts';
import { compareWithKnownKernels } from '../../kernel/machine.ts';
import { count } from '../../units.ts';
import type { Description } from '../../workers/describe.ts';
import type { FileReport } from './report.ts';

export interface Seen {
  /** Of all parts. */
  readonly paths: readonly string[];
  readonly file: FileReport;
  readonly description: Description;
  /** Sentences about a file that is cut short or damaged. */
  readonly damage: readonly string[];
  /** Why this is no dump of a machine's memory; undefined: it is one. */
  readonly ciphertext: string | undefined;
  /** Why there is no log; undefined: there is one. */
  readonly noLog: string | undefined;
  readonly lostRecords: number;
  readonly hasRegisters: boolean;
  readonly hasSymbols: boolean;
  readonly hasLayouts: boolean;
}

const KINDS: readonly (readonly [bit: number, name: string])[] = [
  [DumpLevel.cache, 'page cache'],
  [DumpLevel.cachePrivate, 'private page cache'],
  [DumpLevel.user, 'user data'],
  [DumpLevel.free, 'free pages'],
];

export function whatIsMissing(seen: Seen): string[] {
  const { file, description, damage, noLog, lostRecords } = seen;
  const { machine, info } = description;
  const missing: string[] = [...(seen.ciphertext === undefined ? [] : [seen.ciphertext]), ...damage];
  missing.push(...lostPages(file, seen.paths.join(' '), damage.length > 0));
  if (info === undefined) missing.push('VMCOREINFO: without it nothing of the kernel can be found');
  else if (machine.unreadable !== undefined)
    missing.push(`${noLog === undefined ? '' : 'the kernel log and '}the memory map: ${machine.unreadable}`);
  if (compareWithKnownKernels(machine.release) < 0)
    missing.push(`page classes: Linux ${machine.release} is older than what smelt knows`);
  const left = leftOut(file);
  if (left !== undefined) missing.push(left);
  if (noLog !== undefined && machine.unreadable === undefined) missing.push(`the kernel log: ${noLog}`);
  if (lostRecords > 0)
    missing.push(
      `at least ${count(lostRecords)} records of the kernel log: they are damaged or not in the dump`,
    );
  if (!seen.hasRegisters)
    missing.push(
      `registers of the CPUs: ${archByName(machine.arch) === undefined ? `those of ${machine.arch} are not read` : 'there are no NT_PRSTATUS notes'}`,
    );
  // What follows needs the page tables.
  if (machine.utsname === undefined) return missing;
  if (!seen.hasSymbols)
    missing.push(
      `the kernel's symbol table: VMCOREINFO does not lead to it, or it is damaged${file.cutPages > 0 ? ' or cut off' : ''}`,
    );
  else if (!seen.hasLayouts) missing.push('BTF: the kernel does not describe its structures');
  return missing;
}

/** That should be in the file: the dump says so, or the file ends before them. */
function lostPages(file: FileReport, paths: string, isBroken: boolean): string[] {
  const { incomplete, cutPages, missingPages, damagedPages } = file;
  const are = (value: number) =>
    `${file.atLeast ? 'at least ' : ''}${pages(value)} ${value === 1 ? 'is' : 'are'}`;
  const lost: string[] = [];
  if (missingPages > 0) {
    const says = incomplete ? 'the dump says of itself that it is incomplete: ' : '';
    lost.push(`${says}${are(missingPages)} marked as missing`);
  } else if (incomplete && !isBroken) {
    const which = cutPages > 0 ? '' : ', and nothing in it says which pages it lacks';
    lost.push(`the dump says of itself that it is incomplete${which}`);
  }
  if (cutPages > 0) {
    const why = isBroken ? '' : ': the file ends before them';
    lost.push(`${are(cutPages)} cut off${why}; \`smelt salvage --dry-run ${paths}\` says what is whole`);
  }
  if (damagedPages > 0)
    lost.push(`${are(damagedPages)} damaged, as the descriptors show: \`smelt verify ${paths}\` says more`);
  return lost;
}

/** By the level and by what there is no page of. */
function leftOut(file: FileReport): string | undefined {
  const { dumpLevel, leftOutPages, incomplete, missingPages } = file;
  const kinds = KINDS.filter(([bit]) => (dumpLevel & bit) !== 0).map(([, name]) => name);
  if (leftOutPages === 0) return undefined;
  if (kinds.length === 0) return `${pages(leftOutPages)} that the dump describes and has no bytes of`;
  // A dump of a dump that had lost some does not say which.
  const orLost = incomplete && missingPages === 0 ? ' or lost before' : '';
  return `${pages(leftOutPages)} left out${orLost} (level ${dumpLevel}): ${kinds.join(', ')}`;
}

const pages = (value: number) => (value === 1 ? '1 page' : `${count(value)} pages`);
