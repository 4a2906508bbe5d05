/** `smelt dmesg`: the kernel log, all of it or what is asked for. */

import type { LogRecord } from '../kernel/log.ts';
import { type LogEntry, logEntry } from '../kernel/log-entry.ts';
import { type Described, inputReport } from '../workers/input.ts';
import { lostRecordsWarning, type Records, recordsOrWhy, walkLog } from '../workers/log-walk.ts';
import type { DmesgReport, DumpObserver, InputRequest } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { LogFilter, type LogWanted } from './log-filter.ts';
import { withKernel } from './looking.ts';

export interface ShowLogRequest extends InputRequest {
  readonly wanted: LogWanted;
  /** Whether the report has the records: `take` does without them else. */
  readonly withEntries: boolean;
}

/** In place of a file there are the records themselves. */
export interface ShowLogReport extends DmesgReport {
  /** Of the log's records: so many were asked for. */
  readonly shownRecords: number;
  /** Oldest first; empty where `take` had them. */
  readonly entries: readonly LogEntry[];
}

/** Handed on together. */
const RECORDS_A_PIECE = 256;
/** And never more bytes of text than this and one record. */
const PIECE_BYTES = 64 * 1024;

/** `take` gets all records that are wanted, oldest first. @throws SmeltError NO_LOG, CIPHERTEXT, INTERRUPTED */
export function dmesg(
  request: ShowLogRequest,
  observer: DumpObserver,
  signal: AbortSignal,
  take: (records: readonly LogRecord[]) => Promise<void>,
): Promise<ShowLogReport> {
  const began = performance.now();
  return withKernel(request, observer, signal, async (looking) => {
    const { file, description } = looking;
    const { wanted, withEntries } = request;
    const filter = new LogFilter(wanted, await endOfLog(looking, wanted, signal));
    const entries: LogEntry[] = [];
    let shownRecords = 0;
    let piece: LogRecord[] = [];
    let pieceBytes = 0;
    const flush = async (bytes: number) => {
      const full = piece;
      piece = [];
      pieceBytes = 0;
      if (full.length > 0) await take(full);
      return bytes;
    };
    const log = await walkLog(
      file.path,
      await open(looking, signal),
      (record) => {
        const entry = logEntry(record);
        const bytes = entry.text.length;
        if (!filter.takes(entry)) return bytes;
        shownRecords++;
        if (withEntries) entries.push(entry);
        else piece.push(record);
        pieceBytes += bytes;
        return piece.length >= RECORDS_A_PIECE || pieceBytes >= PIECE_BYTES ? flush(bytes) : bytes;
      },
      signal,
    );
    await flush(0);
    const warnings = [...lostRecordsWarning(log.lostRecords), ...filter.doubts()];
    for (const warning of warnings) observer.onWarning(warning);
    return {
      input: inputReport(file, request, description),
      log: { path: undefined, ...log, targetProtection: undefined },
      shownRecords,
      entries,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings,
    };
  });
}

function open(described: Described, signal: AbortSignal): Promise<Records> {
  return recordsOrWhy(described, { partialDmesg: false }, () => {}, signal);
}

/** When the last record was written, where that matters; 0 in a log without times. */
async function endOfLog(described: Described, { sinceUs }: LogWanted, signal: AbortSignal): Promise<number> {
  let endUs = 0;
  if (sinceUs === undefined || sinceUs >= 0) return endUs;
  const take = (record: LogRecord) => {
    const { timeUs, text } = logEntry(record);
    endUs = Math.max(endUs, timeUs ?? 0);
    return text.length;
  };
  await walkLog(described.file.path, await open(described, signal), take, signal);
  return endUs;
}
