/** Opens what a request asks for: nothing is written to it yet. */

import { dataOffset, layoutKdump } from '../../write/kdump.ts';
import { openScratch } from '../../write/scratch.ts';
import { openStream } from '../../write/stream.ts';
import { openTarget, type Target } from '../../write/target-file.ts';
import { headerOf, outputNotes } from '../headers.ts';
import type { Input } from '../input.ts';
import type { Shared } from '../job.ts';
import type { DumpRequest } from '../report.ts';
import { KdumpOutput } from './kdump-output.ts';
import type { Output } from './output.ts';

/** Names of all files that the request has written. */
export function outputPaths({ output, moreOutputs = [] }: DumpRequest): readonly string[] {
  return output === undefined ? [] : [output, ...moreOutputs];
}

/** @throws SmeltError TARGET, WRITE; then nothing of it is left */
export function openOutput(request: DumpRequest, { file, description, plan }: Input, shared: Shared): Output {
  const notes = outputNotes(file.notes, description);
  const layout = layoutKdump(file.pageSize, notes.blob.length, plan.maxMapnr);
  const header = headerOf(file, description, notes, request.codec, plan.maxMapnr);
  const { stream, mostBytes } = request;
  const scratch = stream && openScratch(layout.descOffset, request.workDir);
  const targets: Target[] = [];
  try {
    if (stream !== undefined) targets.push(openStream(stream.path, stream.fd, mostBytes, shared.stop));
    for (const path of outputPaths(request)) targets.push(openTarget(path, request.overwrite, mostBytes));
    return new KdumpOutput(targets, scratch, layout, header, plan, shared);
  } catch (error) {
    scratch?.close();
    for (const target of targets) target.discard();
    throw error;
  }
}

/** About what the output will take, with so many bytes of page data. */
export function expectedBytes(
  { file, description, plan }: Input,
  keptPages: number,
  dataBytes: number,
): number {
  const notes = outputNotes(file.notes, description);
  const layout = layoutKdump(file.pageSize, notes.blob.length, plan.maxMapnr);
  return dataOffset(layout, keptPages) + layout.blockSize + dataBytes;
}
