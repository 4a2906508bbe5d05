/** A job of which nothing is written: what of it is for compressing is left empty. */

import type { Input } from './input.ts';
import { createShared, type Job } from './job.ts';

export function readingJob(
  {
    file,
    plan,
    helpers,
    description,
    mmap,
  }: Pick<Input, 'file' | 'plan' | 'helpers' | 'description' | 'mmap'>,
  dumpLevel: number,
): Job {
  return {
    file,
    mmap,
    memoryMap: description.machine.memoryMap,
    dumpLevel,
    plan,
    order: new Int32Array(0),
    codec: undefined,
    codecMaker: undefined,
    compressionLevel: undefined,
    target: undefined,
    shared: createShared(plan.starts.length, helpers?.count ?? 0, 0),
  };
}
