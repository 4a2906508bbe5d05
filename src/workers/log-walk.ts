/** The way through the kernel log of a dump: found, record by record, bounded whatever it claims, and to be stopped at any time. */

import { setImmediate as breathe } from 'node:timers/promises';
import { CachedMemory } from '../arch/memory.ts';
import { PageTableWalker } from '../arch/page-table.ts';
import { SmeltError } from '../errors.ts';
import { type LogRecord, lastClear, logRecords } from '../kernel/log.ts';
import { architectureOf } from '../kernel/machine.ts';
import { comma } from '../read/file.ts';
import { type Described, judgeInput, refuseCiphertext, stopIfAborted } from './input.ts';
import type { DmesgRequest, LogReport } from './report.ts';

/** Read as they are taken. */
export interface Records {
  readonly all: Generator<LogRecord | undefined>;
  readonly walker: PageTableWalker;
}

/** How often signals are served: every few milliseconds. */
const RECORDS_A_BREATH = 1024;
/** A dump waits for its log: behind this many damaged records in a row nobody looks for more. No kernel has a ring of more. */
const LOST_IN_A_ROW = 2 ** 20;
/** And the log must not take the room of the dump: as much as the largest log buffer gives, with time and caller of each record. */
const MOST_BYTES = 128 * 1024 * 1024;

/** @throws SmeltError NO_LOG */
export function recordsOf(
  { file, reader, description }: Described,
  { partialDmesg }: Pick<DmesgRequest, 'partialDmesg'>,
  warn: (sentence: string) => void,
): Records {
  const { info, encryptionMask, machine } = description;
  const arch = architectureOf(file);
  const tables = info && arch.findPageTables(info, encryptionMask);
  const walker = tables && new PageTableWalker(new CachedMemory(reader), arch.tableFormat, tables);
  const clear = partialDmesg && info && walker ? lastClear(info, walker) : undefined;
  const all = info && walker && logRecords(info, walker, clear);
  if (all !== undefined && walker !== undefined) {
    if (partialDmesg && clear === undefined)
      warn('the whole kernel log is written: VMCOREINFO does not say where it was cleared last');
    return { all, walker };
  }
  const why = machine.memoryMap === undefined ? machine.unreadable : undefined;
  throw new SmeltError(
    'NO_LOG',
    `${file.path}: the kernel log cannot be found: ${why ?? 'VMCOREINFO does not lead to it'}`,
    {
      hint:
        info === undefined
          ? 'A file with VMCOREINFO of the crashed kernel can be given with -i, its vmlinux with -x.'
          : walker?.missedTable
            ? 'A page table is not in the dump.'
            : 'The page tables, or the log itself, are damaged or not in the dump.',
    },
  );
}

/** The same for whom the log is all. @throws SmeltError NO_LOG, or CIPHERTEXT, where that is the better reason */
export async function recordsOrWhy(
  described: Described,
  request: Pick<DmesgRequest, 'partialDmesg'>,
  warn: (sentence: string) => void,
  signal: AbortSignal,
): Promise<Records> {
  try {
    return recordsOf(described, request, warn);
  } catch (error) {
    refuseCiphertext(await judgeInput(described, signal));
    throw error;
  }
}

/**
 * `take` gives back how many bytes came of the record.
 * @throws SmeltError NO_LOG where there are records and none can be read, INTERRUPTED
 */
export async function walkLog(
  input: string,
  { all, walker }: Records,
  take: (record: LogRecord) => number | Promise<number>,
  signal: AbortSignal,
): Promise<Pick<LogReport, 'records' | 'lostRecords' | 'sizeBytes'>> {
  let records = 0;
  let lostRecords = 0;
  let sizeBytes = 0;
  let lostInARow = 0;
  stopIfAborted(signal);
  for (const record of all) {
    if (record === undefined) {
      lostRecords++;
      lostInARow++;
    } else {
      records++;
      lostInARow = 0;
      const bytes = take(record);
      sizeBytes += typeof bytes === 'number' ? bytes : await bytes;
    }
    if (lostInARow >= LOST_IN_A_ROW) break;
    if (sizeBytes >= MOST_BYTES) {
      lostRecords++;
      break;
    }
    if ((records + lostRecords) % RECORDS_A_BREATH !== 0) continue;
    await breathe();
    stopIfAborted(signal);
  }
  if (records === 0 && lostRecords > 0) {
    throw new SmeltError('NO_LOG', `${input}: no record of the kernel log can be read`, {
      hint: walker.missedTable
        ? 'A page table on the way to them is not in the dump.'
        : 'They are damaged, or not in the dump.',
    });
  }
  return { records, lostRecords, sizeBytes };
}

/** What a log that is not whole is told with. */
export function lostRecordsWarning(lostRecords: number): string[] {
  if (lostRecords === 0) return [];
  const are = lostRecords === 1 ? 'is' : 'are';
  return [
    `the kernel log is not whole: at least ${comma(lostRecords)} of its records ${are} damaged or not in the dump`,
  ];
}
