/** What to do about a failure of the engine, where that depends on the command line: the engine does not know what was typed. */

import { errnoName, SmeltError } from '../errors.ts';
import { MAX_DUMP_LEVEL } from '../filter/page-class.ts';
import type { DumpRequest } from '../workers/report.ts';
import { hasNoRoom } from '../write/target-file.ts';
import { meant } from './mistyped.ts';

/** For an input that cannot be opened: it may be missing, or be a mistyped command. */
export function withInputHint(error: SmeltError, input: string | undefined): SmeltError {
  if (error.code !== 'INPUT_OPEN' || error.hint !== undefined) return error;
  const name = errnoName(error.cause);
  if (name === 'EACCES' || name === 'EPERM')
    return hinted(error, 'Most dumps are for root alone: run smelt as root.');
  if (name !== 'ENOENT' && name !== 'ENOTDIR') return error;
  // What is missing may be the file with VMCOREINFO.
  if (input === undefined || !error.message.startsWith(`${input}: `)) return hinted(error, 'Check the path.');
  const question = meant(input);
  if (question !== undefined) return hinted(error, `${question} If it is a file, check the path.`);
  if (input === '/proc/vmcore')
    return hinted(error, 'It is there only in the kdump kernel; elsewhere give the path of a saved dump.');
  return hinted(error, 'Check the path.');
}

/** For a dump that did not fit: what would make it smaller and was not asked for. */
export function withSpaceHint(error: SmeltError, request: DumpRequest): SmeltError {
  if (!hasNoRoom(error)) return error;
  const { dumpLevel, otherLevels = [], format = 'kdump', codec, dedup, stream } = request;
  const tried = [dumpLevel ?? 0, ...(stream === undefined ? otherLevels : [])];
  const level = Math.max(...tried) < MAX_DUMP_LEVEL ? [`-d ${MAX_DUMP_LEVEL}`] : [];
  // In the other formats pages are stored as they are.
  if (format !== 'kdump') {
    const words = ['-z', ...level, 'as a kdump-compressed file'].join(' ');
    return hinted(error, `A smaller dump is made with ${words}.`);
  }
  const unused = [
    ...level,
    ...(codec === 'zstd' || codec === 'zlib' ? [] : ['-z']),
    ...(dedup ? [] : ['--dedup']),
  ];
  if (unused.length === 0) return error;
  return hinted(error, `A smaller dump is made with ${unused.join(' ')}.`);
}

function hinted({ code, message, hint, exitCode, cause }: SmeltError, more: string): SmeltError {
  return new SmeltError(code, message, {
    hint: hint === undefined ? more : `${hint} ${more}`,
    exitCode,
    cause,
  });
}
