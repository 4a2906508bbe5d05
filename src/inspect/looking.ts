/** What every look into a dump begins with: the file open, the machine described, its kernel to be asked. */

import { setImmediate as breathe } from 'node:timers/promises';
import { architectureOf } from '../kernel/machine.ts';
import { type KernelAids, KernelView } from '../kernel/view/view.ts';
import { type Described, stopIfAborted } from '../workers/input.ts';
import { withDescription } from '../workers/open-anyhow.ts';
import type { DumpObserver, InputRequest, RunReport } from '../workers/report.ts';

export interface Looking extends Described {
  /** Undefined where VMCOREINFO does not lead to the kernel's page tables. */
  readonly view: KernelView | undefined;
}

/** @throws SmeltError; INTERRUPTED when the signal was aborted */
export function withKernel<T extends Pick<RunReport, 'warnings'>>(
  request: InputRequest,
  observer: DumpObserver,
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
