/** Opens what a request asks for: nothing is written to it yet. */

import { Destination } from '../../write/destination.ts';
import { dataOffset, layoutKdump } from '../../write/kdump.ts';
import { openScratch } from '../../write/scratch.ts';
import { openStream } from '../../write/stream.ts';
import { openTarget, type TargetFile } from '../../write/target-file.ts';
import { type Erasing, eraseInfoIn } from '../erase.ts';
import { headerOf, outputNotes } from '../headers.ts';
import type { Input } from '../input.ts';
import type { Shared } from '../job.ts';
import { type DumpRequest, outputPaths } from '../report.ts';
import type { KeptBits } from '../sums.ts';
import { ImageOutput } from './image-output.ts';
import { KdumpOutput } from './kdump-output.ts';
import type { Output } from './output.ts';

/** @throws SmeltError TARGET, WRITE; then nothing of it is left */
export function openOutput(
  request: DumpRequest,
  input: Input,
  shared: Shared,
  erasing: Erasing | undefined,
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

/** About what the output will take, with so many pages stored, of which so many are zeros, and so many bytes of page data. */
export function expectedBytes(
  { format = 'kdump' }: DumpRequest,
  { file, description, plan }: Input,
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
