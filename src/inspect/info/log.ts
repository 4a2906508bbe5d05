/** What the kernel log tells of a crash, from one way through it. */

import { type LogEntry, logEntry } from '../../kernel/log-entry.ts';
import { type Culprit, culpritOf, isPanic, isTrouble } from '../../kernel/trouble.ts';
import { type EncryptionFeature, featuresOfLog } from '../../sme/features.ts';
import type { Described } from '../../workers/input.ts';
import { recordsOf, walkLog } from '../../workers/log-walk.ts';
import type { LogFacts } from './report.ts';

const LAST_RECORDS = 50;
/** What stands in front of the rest has its words here. */
const HEAD_CHARS = 512;

export interface LogTold extends LogFacts {
  readonly endUs: number | undefined;
  readonly firstTrouble: LogEntry | undefined;
  /** The last one: an Oops may have come before it. */
  readonly panic: LogEntry | undefined;
  /** Of the last report of trouble. */
  readonly culprit: Culprit | undefined;
  readonly hardware: string | undefined;
  readonly commandLine: string | undefined;
  readonly encryption: readonly EncryptionFeature[] | undefined;
}

/** @throws SmeltError NO_LOG, INTERRUPTED */
export async function readLog(described: Described, signal: AbortSignal): Promise<LogTold> {
  const records = recordsOf(described, { partialDmesg: false }, () => {});
  const last: LogEntry[] = [];
  let endUs: number | undefined;
  let firstTrouble: LogEntry | undefined;
  let panic: LogEntry | undefined;
  let culprit: Culprit | undefined;
  let hardware: string | undefined;
  let commandLine: string | undefined;
  let encryption: EncryptionFeature[] | undefined;
  const counted = await walkLog(
    described.file.path,
    records,
    (record) => {
      const entry = logEntry(record);
      const { text, timeUs } = entry;
      last.push(entry);
      if (last.length > LAST_RECORDS) last.shift();
      if (timeUs !== undefined) endUs = Math.max(endUs ?? 0, timeUs);
      if (isTrouble(entry)) {
        firstTrouble ??= entry;
        if (isPanic(entry)) panic = entry;
      }
      if (firstTrouble !== undefined) culprit = culpritOf(entry) ?? culprit;
      const head = text.slice(0, HEAD_CHARS);
      hardware ??= /^(?:Hardware name: |DMI: (?!SMBIOS|Memory slots))(.*)/.exec(head)?.[1];
      commandLine ??= /^(?:Kernel c|C)ommand line: ([\s\S]*)/.exec(text)?.[1]?.trim();
      if (head.includes('ncrypt')) encryption ??= featuresOfLog(head);
      return text.length;
    },
    signal,
  );
  const { records: count, lostRecords } = counted;
  return {
    records: count,
    lostRecords,
    last,
    endUs,
    firstTrouble,
    panic,
    culprit,
    hardware,
    commandLine,
    encryption,
  };
}
