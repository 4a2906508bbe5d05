/** Whether what was found makes sense: sentences for a person, or an error where going on would mislead. */

import { SmeltError } from '../errors.ts';
import { DumpLevel } from '../filter/page-class.ts';
import { compareWithKnownKernels, type Machine } from '../kernel/machine.ts';
import type { DumpFile } from '../read/dump-file.ts';
import { comma, cutShortHint } from '../read/file.ts';
import type { CompressResult } from './compress-phase.ts';
import type { DumpRequest } from './report.ts';
import type { Classified } from './sums.ts';

/** More than this share apart, the number of free pages and the kernel's own count are told. */
const FREE_PAGES_APART = 0.01;

/**
 * A kernel older than those that the rules are known for is not guessed at; levels 0 and 1 need no rules.
 * @throws SmeltError UNSUPPORTED
 */
export function refuseOldKernel(input: string, machine: Machine, dumpLevel: number): void {
  if (dumpLevel <= DumpLevel.zero || compareWithKnownKernels(machine.release) >= 0) return;
  throw new SmeltError(
    'UNSUPPORTED',
    `${input}: is of Linux ${machine.release}, older than what smelt can filter (4.19)`,
    { hint: '-d 1 dumps it whole but for pages of zeros.' },
  );
}

/** Why nothing can be filtered, as far as that is known before the work; undefined when it can. */
export function whyUnreadable(machine: Machine): string | undefined {
  return machine.memoryMap === undefined ? (machine.unreadable ?? 'the reason is not known') : undefined;
}

/** The tables may be all right and lead to no struct page at all. */
export function whyNothingFound(classified: Classified, totalPages: number): string | undefined {
  const { undecided } = classified.classes;
  const found = undecided === 0 || undecided + classified.absent < totalPages;
  return found ? undefined : 'no struct page could be found';
}

/** @throws SmeltError UNDECIDABLE with --strict */
export function cannotFilter(request: DumpRequest, reason: string, dumpLevel: number): string {
  if (request.strict) {
    throw new SmeltError('UNDECIDABLE', `${request.input}: the memory map cannot be read: ${reason}`, {
      hint: 'Without --strict everything but pages of zeros is dumped.',
    });
  }
  const all = (dumpLevel & DumpLevel.zero) === 0 ? 'everything' : 'everything but pages of zeros';
  return `the memory map cannot be read (${reason}): ${all} is dumped`;
}

/** The kernel counts per CPU and adds up now and then, so that a small difference says nothing. */
export function freePagesWarning(
  file: DumpFile,
  { kernelFreePages }: Machine,
  { freeFound, absent }: Classified,
  dumpLevel: number,
): string | undefined {
  // An ELF file does not say what was left out of it, only that something was.
  const alreadyFiltered = file.format === 'kdump' ? (file.dumpLevel & DumpLevel.free) !== 0 : absent > 0;
  if (kernelFreePages === undefined || (dumpLevel & DumpLevel.free) === 0 || alreadyFiltered)
    return undefined;
  if (Math.abs(freeFound - kernelFreePages) <= kernelFreePages * FREE_PAGES_APART) return undefined;
  const [found, counted] = [freeFound, kernelFreePages].map((pages) => pages.toLocaleString('en-US'));
  return `${found} free pages were found and the kernel counted ${counted}: some may be classified wrongly; -d 15 keeps them all`;
}

/**
 * Pages that could not be read are told; where the input is cut short, what is there of it is written, but it is a part.
 * @throws SmeltError TRUNCATED
 */
export function missingPagesWarning(
  file: DumpFile,
  { missingPages, cutPages }: Pick<CompressResult, 'missingPages' | 'cutPages'>,
): string | undefined {
  const { path, fileBytes } = file;
  if (cutPages > 0) {
    const end =
      file.format === 'kdump' && file.parts.length > 1
        ? 'ends of the parts that should have them'
        : `end of the file, which has ${comma(fileBytes)} bytes`;
    throw new SmeltError('TRUNCATED', `${path}: the data of ${comma(cutPages)} pages lie behind the ${end}`, {
      hint: cutShortHint(path),
    });
  }
  if (missingPages === 0) return undefined;
  return `${comma(missingPages)} pages could not be read from ${path}: they are marked as missing, and readers will call the dump incomplete`;
}
