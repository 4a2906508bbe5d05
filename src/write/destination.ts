/** What an output is written to: one file, several of them, or a stream; and how that is made whole. */

import type { Outlet } from './outlet.ts';
import { beginStream, endStream } from './stream.ts';
import type { TargetFile } from './target-file.ts';

export class Destination {
  /** All of them, as any thread writes to them. */
  readonly outlets: readonly Outlet[];
  /** None: it is a stream. */
  readonly files: readonly TargetFile[];

  constructor(outlets: readonly Outlet[], files: readonly TargetFile[]) {
    this.outlets = outlets;
    this.files = files;
  }

  get isStream(): boolean {
    return this.files.length === 0;
  }

  /** Before the first byte. @throws SmeltError WRITE */
  *begin(): Generator<void, void> {
    for (const outlet of this.outlets) if (outlet.stream) yield* beginStream(outlet, outlet.stream);
  }

  /** What was written so far is on the disk; a stream's bytes are its reader's. @throws SmeltError WRITE */
  sync(): void {
    for (const file of this.files) file.sync();
  }

  /**
   * Behind the last byte. A file gets its name when all of them are on the disk, whether another one can have its own or not.
   * @throws SmeltError WRITE, TARGET; INTERRUPTED when the work was given up before the end mark of a stream
   */
  *seal(): Generator<void, void> {
    for (const outlet of this.outlets) if (outlet.stream) yield* endStream(outlet, outlet.stream);
    this.sync();
    let failed: unknown;
    for (const file of this.files) {
      try {
        file.seal();
      } catch (error) {
        failed ??= error;
      }
    }
    if (failed !== undefined) throw failed;
  }
}
