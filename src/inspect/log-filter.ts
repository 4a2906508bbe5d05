/** Which records of the kernel log somebody wants to see. */

import type { LevelName, LogEntry } from '../kernel/log-entry.ts';
import { isTrouble } from '../kernel/trouble.ts';
import { count } from '../units.ts';

export interface LogWanted {
  /** Microseconds of the log's clock; below 0: so long before its last record. */
  readonly sinceUs: number | undefined;
  /** Undefined: all. */
  readonly levels: ReadonlySet<LevelName> | undefined;
  /** Nothing before the first Oops, BUG or panic. */
  readonly fromTrouble: boolean;
}

/** Asked for record after record, oldest first. In doubt a record is shown. */
export class LogFilter {
  private readonly wanted: LogWanted;
  private readonly fromUs: number;
  private hasBegun: boolean;
  private isLate = true;
  private withoutLevel = 0;
  private seen = 0;
  private taken = 0;

  /** `endUs`: of the last record, where `sinceUs` is below 0. */
  constructor(wanted: LogWanted, endUs: number) {
    const { sinceUs = 0, fromTrouble } = wanted;
    this.wanted = wanted;
    this.fromUs = sinceUs < 0 ? endUs + sinceUs : sinceUs;
    this.hasBegun = !fromTrouble;
  }

  takes(entry: LogEntry): boolean {
    this.seen++;
    const isWanted = this.isWanted(entry);
    if (isWanted) this.taken++;
    return isWanted;
  }

  private isWanted(entry: LogEntry): boolean {
    const { timeUs, level } = entry;
    this.hasBegun ||= isTrouble(entry);
    // What has no time belongs to what is before it.
    if (timeUs !== undefined) this.isLate = timeUs >= this.fromUs;
    if (!this.hasBegun || !this.isLate) return false;
    const { levels } = this.wanted;
    if (levels === undefined) return true;
    if (level === undefined) this.withoutLevel++;
    return level === undefined || levels.has(level);
  }

  /** What the answer may be wrong in: sentences. */
  doubts(): string[] {
    const doubts: string[] = [];
    if (!this.hasBegun) doubts.push('the kernel log has no Oops, BUG or panic');
    else if (this.taken === 0 && this.seen > 0)
      doubts.push(`none of the log's ${count(this.seen)} records is what --since and --level ask for`);
    const { withoutLevel } = this;
    if (withoutLevel === 1) doubts.push('the level of 1 record is not known: it is shown all the same');
    if (withoutLevel > 1)
      doubts.push(`the level of ${count(withoutLevel)} records is not known: they are shown all the same`);
    return doubts;
  }
}
