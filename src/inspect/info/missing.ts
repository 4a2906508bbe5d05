/** What a dump does not have, or nobody could read of it: sentences, the worst first. */

import { archByName } from '../../arch/architectures.ts';
import { DumpLevel } from '../../filter/page-class.ts';
import { compareWithKnownKernels } from '../../kernel/machine.ts';
import { count } from '../../units.ts';
import type { Description } from '../../workers/describe.ts';
import type { FileReport } from './report.ts';

export interface Seen {
  readonly path: string;
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
  const { path, file, description, damage, noLog, lostRecords } = seen;
  const { machine, info } = description;
  const missing: string[] = [...(seen.ciphertext === undefined ? [] : [seen.ciphertext]), ...damage];
  if (file.incomplete && damage.length === 0)
    missing.push(
      `the dump says of itself that it is incomplete: \`smelt salvage --dry-run ${path}\` says what is whole`,
    );
  if (file.cutPages > 0 && damage.length === 0)
    missing.push(
      `at least ${pages(file.cutPages)}: the file ends before them; \`smelt salvage --dry-run ${path}\` says what is whole`,
    );
  if (info === undefined) missing.push('VMCOREINFO: without it nothing of the kernel can be found');
  else if (machine.unreadable !== undefined)
    missing.push(`${noLog === undefined ? '' : 'the kernel log and '}the memory map: ${machine.unreadable}`);
  if (compareWithKnownKernels(machine.release) < 0)
    missing.push(`page classes: Linux ${machine.release} is older than what smelt knows`);
  const left = leftOut(file, damage.length > 0);
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
    missing.push("the kernel's symbol table: VMCOREINFO does not lead to it, or it is damaged");
  else if (!seen.hasLayouts) missing.push('BTF: the kernel does not describe its structures');
  return missing;
}

/** By the level and by what there is no page of. `isBroken`: it has not all that it should have, and the damage says so. */
function leftOut({ dumpLevel, leftOutPages }: FileReport, isBroken: boolean): string | undefined {
  const kinds = KINDS.filter(([bit]) => (dumpLevel & bit) !== 0).map(([, name]) => name);
  if (leftOutPages === 0 || (isBroken && kinds.length === 0)) return undefined;
  if (kinds.length === 0) return `${pages(leftOutPages)} that the dump describes and has no bytes of`;
  const level = `(level ${dumpLevel}): ${kinds.join(', ')}`;
  return isBroken ? `what was left out ${level}` : `${pages(leftOutPages)} left out ${level}`;
}

const pages = (value: number) => (value === 1 ? '1 page' : `${count(value)} pages`);
