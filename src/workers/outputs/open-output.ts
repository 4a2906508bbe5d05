/** Opens what a request asks for: nothing is written to it yet. */

import { Destination } from '../../write/destination.ts';
import { dataOffset, layoutKdump } from '../../write/kdump.ts';
import { openScratch } from '../../write/scratch.ts';
import { openStream } from '../../write/stream.ts';
import { openTarget, type TargetFile } from '../../write/target-file.ts';
import { type Erasing, eraseInfoIn } from '../erase.ts';
import { headerOf, outputNotes } from '../headers.ts';
import type { Shared } from '../job.ts';
import { type DumpRequest, outputPaths } from '../report.ts';
import type { KeptBits } from '../sums.ts';
import { ImageOutput } from './image-output.ts';
import { KdumpOutput } from './kdump-output.ts';
import type { Output, OutputInput } from './output.ts';

/** What of a request decides about the output. */
export type OutputRequest = Pick<
  DumpRequest,
  'output' | 'moreOutputs' | 'stream' | 'mostBytes' | 'format' | 'overwrite' | 'workDir' | 'codec'
>;

/** @throws SmeltError TARGET, WRITE; then nothing of it is left */
export function openOutput(
  request: OutputRequest,
  input: OutputInput,
  shared: Shared,
  erasing?: Erasing,
): Output {
  const { file, description, plan } = input;
  const { stream, mostBytes, format = 'kdump' } = request;
  const notes = outputNotes(file.notes, description);
  const layout = layoutKdump(file.pageSize, notes.blob.length, plan.maxMapnr);
  const header = headerOf(file, description, notes, request.codec, plan.maxMapnr);
  const eraseInfoOf = (kept: KeptBits) => eraseInfoIn(file, plan, kept, erasing);
  const scratch =
    stream === undefined && format === 'kdump' ? undefined : openScratch(layout.descOffset, request.workDir);
  const files: TargetFile[] = [];
  try {
    for (const path of outputPaths(request)) files.push(openTarget(path, request.overwrite, mostBytes));
    const outlets =
      stream === undefined ? files : [openStream(stream.path, stream.fd, mostBytes, shared.stop)];
    const to = new Destination(outlets, files);
    if (format !== 'kdump') return new ImageOutput(to, scratch!, format, input, notes, eraseInfoOf);
    return new KdumpOutput(to, scratch, layout, header, eraseInfoOf, shared);
  } catch (error) {
    scratch?.close();
    for (const file of files) file.discard();
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
  const outlet = { path: scratch.path, fd: scratch.fd, mostBytes: undefined, stream: undefined };
  const header = headerOf(file, description, notes, codec, plan.maxMapnr);
  const eraseInfoOf = (kept: KeptBits) => eraseInfoIn(file, plan, kept, undefined);
  return new KdumpOutput(new Destination([outlet], []), scratch, layout, header, eraseInfoOf, shared, true);
}

/** About how long the output will be, with so many pages, of which so many are zeros that are left out, and so many bytes of page data. */
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
