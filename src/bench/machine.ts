/** Which machine the numbers are of. */

import { availableParallelism, cpus, release, totalmem } from 'node:os';
import type { MachineReport } from './report.ts';

export function machineReport(): MachineReport {
  return {
    cpu: cpus()[0]?.model.replace(/\s+/g, ' ').trim() || 'unknown CPU',
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    kernel: release(),
  };
}
