/** `smelt -g`: what a vmlinux says, as a file that -i takes, here and in makedumpfile. */

import { setImmediate as breathe } from 'node:timers/promises';
import { asSmeltError } from '../errors.ts';
import { Vmcoreinfo } from '../kernel/vmcoreinfo.ts';
import { vmcoreinfoOf } from '../kernel/vmlinux/vmlinux.ts';
import { openTarget, writeFully } from '../write/target-file.ts';
import { refuseInputAsOutput, stopIfAborted } from './input.ts';
import type { VmcoreinfoReport, VmcoreinfoRequest } from './report.ts';
import { peakRssBytes } from './resources.ts';

/** @throws SmeltError; INTERRUPTED when the signal was aborted */
export async function writeVmcoreinfo(
  { vmlinuxFile, output }: VmcoreinfoRequest,
  signal: AbortSignal,
): Promise<VmcoreinfoReport> {
  const began = performance.now();
  refuseInputAsOutput({ input: vmlinuxFile }, output);
  const text = await vmcoreinfoOf(vmlinuxFile, async () => {
    await breathe();
    stopIfAborted(signal);
  });
  // Scripts make it anew, as makedumpfile does: what was there stays until the new one is whole.
  const target = openTarget(output, true);
  try {
    writeFully(output, target.fd, Buffer.from(text, 'latin1'), 0);
    target.seal();
  } catch (thrown) {
    const error = asSmeltError(thrown);
    // It is whole, and only its name could not be had.
    if (error.code !== 'TARGET') target.discard();
    throw error;
  }
  return {
    vmlinux: vmlinuxFile,
    release: new Vmcoreinfo(text).release!,
    path: output,
    values: text.trimEnd().split('\n').length,
    totalMs: performance.now() - began,
    peakRssBytes: peakRssBytes(),
  };
}
