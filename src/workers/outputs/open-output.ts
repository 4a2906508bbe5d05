/** Opens what a request asks for: nothing is written to it yet. */

import { dataOffset, layoutKdump } from '../../write/kdump.ts';
import { openScratch } from '../../write/scratch.ts';
import { openStream } from '../../write/stream.ts';
import { openTarget, type Target } from '../../write/target-file.ts';
import { headerOf, outputNotes } from '../headers.ts';
import type { Shared } from '../job.ts';
import { type DumpRequest, outputPaths } from '../report.ts';
import { ImageOutput } from './image-output.ts';
import { KdumpOutput } from './kdump-output.ts';
import type { Output, OutputInput } from './output.ts';

/** What of a request decides about the output. */
export type OutputRequest = Pick<
  DumpRequest,
  'output' | 'moreOutputs' | 'stream' | 'mostBytes' | 'format' | 'overwrite' | 'workDir' | 'codec'
>;

/** @throws SmeltError TARGET, WRITE; then nothing of it is left */
export function openOutput(request: OutputRequest, input: OutputInput, shared: Shared): Output {
  const { file, description, plan } = input;
  const { stream, mostBytes, format = 'kdump' } = request;
  const notes = outputNotes(file.notes, description);
  const layout = layoutKdump(file.pageSize, notes.blob.length, plan.maxMapnr);
  const header = headerOf(file, description, notes, request.codec, plan.maxMapnr);
  const scratch =
    stream === undefined && format === 'kdump' ? undefined : openScratch(layout.descOffset, request.workDir);
  const targets: Target[] = [];
  try {
    if (stream !== undefined) targets.push(openStream(stream.path, stream.fd, mostBytes, shared.stop));
    for (const path of outputPaths(request)) targets.push(openTarget(path, request.overwrite, mostBytes));
    if (format !== 'kdump') return new ImageOutput(targets[0]!, scratch!, format, input, notes);
    return new KdumpOutput(targets, scratch, layout, header, plan, shared);
  } catch (error) {
    scratch?.close();
    for (const target of targets) target.discard();
    throw error;
  }
}

/** An output that nobody wants to keep, to know what would be in it: all but the pages' own bytes are in a working file. */
export function openUnkeptOutput(
  { codec, workDir }: OutputRequest,
  { file, description, plan }: OutputInput,
  shared: Shared,
): Output {
  const notes = outputNotes(file.notes, description);
  const layout = layoutKdump(file.pageSize, notes.blob.length, plan.maxMapnr);
  const scratch = openScratch(layout.descOffset, workDir);
  const nothing = () => {};
  const target: Target = {
    path: scratch.path,
    fd: scratch.fd,
    mostBytes: undefined,
    stream: undefined,
    reserve: nothing,
    sync: nothing,
    seal: nothing,
    leaveIncomplete: () => scratch.path,
    discard: () => true,
  };
  const header = headerOf(file, description, notes, codec, plan.maxMapnr);
  return new KdumpOutput([target], scratch, layout, header, plan, shared, true);
}

/** About what the output will take, with so many pages stored, of which so many are zeros, and so many bytes of page data. */
export function expectedBytes(
  { format = 'kdump' }: OutputRequest,
  { file, description, plan }: OutputInput,
  { keptPages, zeroPages, dataBytes }: { keptPages: number; zeroPages: number; dataBytes: number },
): number {
  const { pageSize } = file;
  const notes = outputNotes(file.notes, description).blob.length;
  switch (format) {
    case 'kdump': {
      const layout = layoutKdump(pageSize, notes, plan.maxMapnr);
      return dataOffset(layout, keptPages) + layout.blockSize + dataBytes;
    }
    case 'elf':
      return notes + (keptPages - zeroPages) * pageSize;
    case 'raw':
      return plan.maxMapnr * pageSize;
    case 'lime':
      return plan.totalPages * pageSize;
  }
}
