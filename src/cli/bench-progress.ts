/** What is measured now, on stderr: one line that changes on a terminal, a line now and then anywhere else. */

import type { Step } from '../bench/report.ts';
import type { Sink } from './host.ts';
import { printable } from './text.ts';

export interface StepView {
  show(step: Step): void;
  /** Leaves whole lines; may be called at any time and more than once. */
  end(): void;
}

export const NO_STEPS: StepView = { show: () => {}, end: () => {} };

export function stepView(sink: Sink): StepView {
  return sink.isTTY ? changingLine(sink) : plainLines(sink);
}

/** "codecs       round 2 of 5  zstd 3, native" */
export function stepLine({ part, detail, round, rounds }: Step): string {
  const which = round === 0 ? 'warm-up' : `round ${round} of ${rounds}`;
  return `  ${part.padEnd(12)}  ${which.padEnd(14)}  ${printable(detail)}`.trimEnd();
}

/** Nothing but a carriage return and spaces: some consoles know no more. */
function changingLine(sink: Sink): StepView {
  let shown = 0;
  return {
    show(step) {
      // One column stays free: a terminal goes to the next line when its last column is written.
      const line = stepLine(step).slice(0, (sink.columns || 80) - 1);
      sink.write(`\r${line}${' '.repeat(Math.max(0, shown - line.length))}`);
      shown = line.length;
    },
    end() {
      if (shown > 0) sink.write(`\r${' '.repeat(shown)}\r`);
      shown = 0;
    },
  };
}

const LINE_INTERVAL_MS = 1000;

/** At most one line a second. */
function plainLines(sink: Sink): StepView {
  let last = performance.now();
  return {
    show(step) {
      const now = performance.now();
      if (now - last < LINE_INTERVAL_MS) return;
      last = now;
      sink.write(`${stepLine(step)}\n`);
    },
    end() {},
  };
}
