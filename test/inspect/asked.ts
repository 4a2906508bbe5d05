/** What a look into a dump is asked with, and told nobody. */
import type { DumpObserver, InputRequest } from '../../src/workers/report.ts';

export const request = (input: string, ...moreParts: readonly string[]): InputRequest => ({
  input,
  moreParts,
  threads: 1,
  mmap: undefined,
  smeMask: undefined,
  vmcoreinfoFile: undefined,
});

export const observer = (): DumpObserver => ({ onInput() {}, onProgress() {}, onWarning() {} });
