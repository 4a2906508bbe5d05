/** What every look into a dump begins with: the file open, the machine described, its kernel to be asked. */

import { architectureOf } from '../kernel/machine.ts';
import { KernelView } from '../kernel/view/view.ts';
import { type Described, withDescription } from '../workers/input.ts';
import type { DumpObserver, InputRequest } from '../workers/report.ts';

export interface Looking extends Described {
  /** Undefined where VMCOREINFO does not lead to the kernel's page tables. */
  readonly view: KernelView | undefined;
}

/** @throws SmeltError; INTERRUPTED when the signal was aborted */
export function withKernel<T>(
  request: InputRequest,
  observer: Pick<DumpObserver, 'onInput' | 'onProgress'>,
  signal: AbortSignal,
  work: (looking: Looking) => Promise<T>,
): Promise<T> {
  return withDescription(request, observer, signal, (described) =>
    work({ ...described, view: viewOf(described) }),
  );
}

export function viewOf({
  file,
  reader,
  description: { info, encryptionMask },
}: Described): KernelView | undefined {
  const arch = architectureOf(file);
  const tables = info && arch.findPageTables(info, encryptionMask);
  return tables === undefined ? undefined : new KernelView(reader, { arch, info: info!, tables });
}
