/** What an output takes: its length, what the file system stores of it, and what -L makes of that. */

import { statSync } from 'node:fs';
import { SmeltError } from '../errors.ts';
import { fileSize, limit } from '../units.ts';
import { estimate } from './estimate.ts';
import { expectedBytes } from './outputs/open-output.ts';
import type { OutputInput, Settled, WrittenFile } from './outputs/output.ts';
import { type DumpReport, type DumpRequest, outputPaths } from './report.ts';

export type Sizes = Pick<DumpReport['output'], 'sizeBytes' | 'storedBytes' | 'files' | 'estimated'>;

/** Unit of st_blocks, whatever the file system's blocks are. Source: stat(2). */
const BLOCK_BYTES = 512;

export function writtenSizes(files: readonly WrittenFile[], isStream: boolean): Sizes {
  const sum = (sizeOf: (file: WrittenFile) => number) =>
    files.reduce((bytes, file) => bytes + sizeOf(file), 0);
  const sizeBytes = sum((file) => file.sizeBytes);
  return { sizeBytes, storedBytes: isStream ? sizeBytes : sum(storedOf), files, estimated: false };
}

/** No more than its length: blocks are larger than what is in them. */
function storedOf({ path, sizeBytes }: WrittenFile): number {
  try {
    return Math.min(sizeBytes, statSync(path).blocks * BLOCK_BYTES);
  } catch {
    // Somebody has taken it away already.
    return sizeBytes;
  }
}

/** Of a dry run. */
export function expectedSizes(request: DumpRequest, sizeBytes: number, dataBytes: number): Sizes {
  const { format = 'kdump' } = request;
  const paths = outputPaths(request);
  return {
    sizeBytes,
    // In the other formats all but pages with something in them are holes.
    storedBytes: format === 'kdump' ? sizeBytes : Math.min(sizeBytes, dataBytes),
    files: paths.map((path) => ({ path, sizeBytes: Math.round(sizeBytes / paths.length) })),
    estimated: true,
  };
}

/** Of a dry run: -L is for each of the files. */
export function whyOverLimit(request: DumpRequest, sizeBytes: number): string | undefined {
  const { mostBytes } = request;
  const each = sizeBytes / filesOf(request);
  if (mostBytes === undefined || each <= mostBytes) return undefined;
  return `about ${fileSize(each)} would not fit into the ${limit(mostBytes)} of -L`;
}

/** An error for want of room under -L, with what the dump takes, by a sample. */
export async function withSize(
  error: SmeltError,
  request: DumpRequest,
  input: OutputInput,
  { kept, keptPages, thread }: Settled,
  stopIfAborted: () => void,
): Promise<SmeltError> {
  try {
    const sample = await estimate(thread, kept, { keptPages, undecided: 0 }, stopIfAborted);
    // Where pages of zeros are left out they are not among those that are kept.
    const sizeBytes = expectedBytes(request, input, { ...sample, keptPages, zeroPages: 0 });
    const files = filesOf(request);
    const what = files > 1 ? 'each of its files' : 'it';
    const { message, hint, exitCode, cause } = error;
    return new SmeltError('TOO_LARGE', `${message}: ${what} takes about ${fileSize(sizeBytes / files)}`, {
      ...(hint === undefined ? {} : { hint }),
      exitCode,
      cause,
    });
  } catch {
    // What went wrong first is what is told.
    return error;
  }
}

function filesOf(request: DumpRequest): number {
  return Math.max(1, outputPaths(request).length);
}
