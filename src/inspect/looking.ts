/** What every look into a dump begins with: the file open, the machine described, its kernel to be asked. */

import { setImmediate as breathe } from 'node:timers/promises';
import { SmeltError } from '../errors.ts';
import { architectureOf } from '../kernel/machine.ts';
import { type KernelAids, KernelView } from '../kernel/view/view.ts';
import { cutShortHint } from '../read/file.ts';
import { type Described, stopIfAborted, withDescription } from '../workers/input.ts';
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
    withView(described, request, signal, work),
  );
}

/** The same for who opened the dump himself. */
export async function withView<T>(
  described: Described,
  request: Pick<InputRequest, 'vmlinuxFile'>,
  signal: AbortSignal,
  work: (looking: Looking) => Promise<T>,
): Promise<T> {
  try {
    return await viewing(described, request, signal, work);
  } catch (error) {
    const isMissing =
      error instanceof SmeltError && (error.code === 'NO_SYMBOLS' || error.code === 'NO_LAYOUTS');
    if (!isMissing || described.reader.cutPages === 0) throw error;
    // It is not that the kernel has none.
    throw new SmeltError(error.code, error.message, { hint: cutShortHint(described.file.path) });
  }
}

async function viewing<T>(
  described: Described,
  { vmlinuxFile }: Pick<InputRequest, 'vmlinuxFile'>,
  signal: AbortSignal,
  work: (looking: Looking) => Promise<T>,
): Promise<T> {
  const view = viewOf(described);
  const lacks = () => view !== undefined && (view.symbols === undefined || view.layouts === undefined);
  if (vmlinuxFile === undefined || !lacks()) return work({ ...described, view });
  const { aidsOf } = await import('../kernel/vmlinux/aids.ts');
  const aids = await aidsOf(vmlinuxFile, view!.info, view!.arch, async () => {
    await breathe();
    stopIfAborted(signal);
  });
  try {
    return await work({ ...described, view: viewOf(described, aids) });
  } finally {
    aids.close();
  }
}

export function viewOf(
  { file, reader, description: { info, encryptionMask } }: Described,
  aids: KernelAids = {},
): KernelView | undefined {
  const arch = architectureOf(file);
  const tables = info && arch.findPageTables(info, encryptionMask);
  return tables === undefined ? undefined : new KernelView(reader, { arch, info: info!, tables }, aids);
}
