/** What an engine tells while it runs, on its way to a terminal. */

import type { Walk } from '../arch/walk.ts';
import type { DumpObserver, InputReport, LogReport } from '../workers/report.ts';
import { type DisplayOptions, MessageLevel } from './display.ts';
import { logSize } from './format.ts';
import type { Host } from './host.ts';
import type { ProgressView } from './progress.ts';
import { inputLine } from './summary.ts';
import { printable, widthOf } from './text.ts';
import { walkText } from './vtop-text.ts';

export class TerminalObserver implements DumpObserver {
  readonly warnings: string[] = [];
  /** Whether something of a dump is in its stream. */
  streamBegan = false;
  readonly #progress: ProgressView;
  readonly #display: DisplayOptions;
  readonly #host: Host;
  #pageSizeBytes = 4096;

  constructor(progress: ProgressView, display: DisplayOptions, host: Host) {
    this.#progress = progress;
    this.#display = display;
    this.#host = host;
  }

  onInput(input: InputReport): void {
    this.#progress.end();
    this.#pageSizeBytes = input.pageSizeBytes;
    if (this.#display.level & MessageLevel.common) {
      this.#host.stderr.write(`${inputLine(input, widthOf(this.#host.stderr))}\n`);
    }
    if (this.#display.level & MessageLevel.debug) this.#tellVmcoreinfo(input);
  }

  onWalk(walk: Walk): void {
    this.#progress.end();
    this.#host.stderr.write(`${walkText(walk).join('\n')}\n`);
  }

  onProgress(progress: Parameters<DumpObserver['onProgress']>[0]): void {
    this.#progress.show(progress, this.#pageSizeBytes);
  }

  onStream(): void {
    this.streamBegan = true;
    const marker = this.#host.env.SMELT_STREAM_BEGAN;
    if (marker !== undefined) this.#host.touch(marker);
  }

  onLog(log: LogReport): void {
    this.#progress.end();
    if (this.#display.level & MessageLevel.common) {
      this.#host.stderr.write(`kernel log saved: ${printable(log.path ?? '')} (${logSize(log)})\n`);
    }
  }

  /** Lines of VMCOREINFO that SUSE's kdump-save looks for. */
  #tellVmcoreinfo({ release, crashTime }: InputReport): void {
    const lines = [
      ...(release === undefined ? [] : [`OSRELEASE=${printable(release)}`]),
      ...(crashTime === undefined ? [] : [`CRASHTIME=${crashTime}`]),
    ];
    for (const line of lines) this.#host.stderr.write(`${line}\n`);
  }

  /** Kept for the end, where it is not scrolled away; once, though each level that is tried may bring it again. */
  onWarning(sentence: string): void {
    if (!this.warnings.includes(sentence)) this.warnings.push(sentence);
  }
}
