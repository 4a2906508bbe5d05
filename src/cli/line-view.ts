/** One line about what is done now, on stderr: it changes on a terminal, and comes now and then anywhere else. */

import type { Sink } from './host.ts';

export interface TextView {
  /** `line` is asked for only where it is shown. */
  show(line: () => string): void;
  /** Leaves whole lines; may be called at any time and more than once. */
  end(): void;
}

export const NO_TEXT: TextView = { show: () => {}, end: () => {} };

/** `intervalMs`: a terminal is not written to more often; anything else never more than once a second. */
export function textView(sink: Sink, intervalMs = 0): TextView {
  return sink.isTTY ? changingLine(sink, intervalMs) : plainLines(sink);
}

/** Nothing but a carriage return and spaces: some consoles know no more. */
function changingLine(sink: Sink, intervalMs: number): TextView {
  let shown = 0;
  let last = Number.NEGATIVE_INFINITY;
  return {
    show(line) {
      const now = performance.now();
      if (now - last < intervalMs) return;
      last = now;
      // One column stays free: a terminal goes to the next line when its last column is written.
      const text = line().slice(0, (sink.columns || 80) - 1);
      sink.write(`\r${text}${' '.repeat(Math.max(0, shown - text.length))}`);
      shown = text.length;
    },
    end() {
      if (shown > 0) sink.write(`\r${' '.repeat(shown)}\r`);
      shown = 0;
    },
  };
}

const LINE_INTERVAL_MS = 1000;

/** At most one line a second. */
function plainLines(sink: Sink): TextView {
  let last = performance.now();
  return {
    show(line) {
      const now = performance.now();
      if (now - last < LINE_INTERVAL_MS) return;
      last = now;
      sink.write(`${line()}\n`);
    },
    end() {},
  };
}
