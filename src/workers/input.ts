/** What every run over a dump begins with: the file open, its windows, helpers on their way, the machine described. */

import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { CachedMemory } from '../arch/memory.ts';
import { PageTableWalker } from '../arch/page-table.ts';
import { SmeltError } from '../errors.ts';
import { type Plan, planWindows } from '../filter/plan.ts';
import type { PfnRange } from '../kernel/image.ts';
import { architectureOf } from '../kernel/machine.ts';
import { wayToLog } from '../kernel/way-to-log.ts';
import type { DumpFile, MemoryReader } from '../read/dump-file.ts';
import { isInMemory } from '../read/live.ts';
import { closeDump, openingDump } from '../read/open.ts';
import { maskBit } from '../sme/mask-bits.ts';
import { captureEncryption } from '../sme/verdict/capture.ts';
import { judge, type Verdict } from '../sme/verdict/verdict.ts';
import { incompleteName, isSameFile } from '../write/target-file.ts';
import { type Description, describe } from './describe.ts';
import { type Helpers, startHelpers } from './helpers.ts';
import type { DumpObserver, DumpRequest, InputReport, InputRequest } from './report.ts';
import { defaultThreads } from './resources.ts';
import { searchWith } from './search.ts';
import { takeSteps } from './steps.ts';
import { openReader } from './thread.ts';

export interface Input {
  readonly file: DumpFile;
  readonly plan: Plan;
  /** Undefined: one thread does all. */
  readonly helpers: Helpers | undefined;
  readonly description: Description;
  /** Whether the memory was read through the right mapping. */
  readonly verdict: Verdict;
  /** Whether it was seen that the file ends before pages that it should have. */
  readonly cutShort: boolean;
  /** What came of it: without koffi, and for pages stored one by one, there is no mapping. */
  readonly mmap: boolean;
  readonly report: InputReport;
  /** Page frames that lead to the kernel log; none where the machine cannot be read. */
  readonly wayToLog: readonly PfnRange[];
}

/** What is known before anybody asks whether the memory was read through the right mapping. */
export interface Described {
  readonly file: DumpFile;
  readonly reader: MemoryReader;
  readonly description: Description;
}

export type Watcher = Pick<DumpObserver, 'onInput' | 'onProgress'>;

/**
 * Opens the input for `work` and closes it behind it, whatever comes. `first` is done as soon as the machine is described.
 * @throws SmeltError; INTERRUPTED when the signal was aborted
 */
export async function withInput<T>(
  request: InputRequest,
  observer: Watcher,
  signal: AbortSignal,
  work: (input: Input) => Promise<T>,
  first: (described: Described) => Promise<void> = async () => {},
  open: typeof openInput = openInput,
): Promise<T> {
  const file = await open(request, signal);
  const mmap = request.mmap ?? !isInMemory(file);
  return withHelpers(file, request, async (planned) => {
    const known = await describing(file, mmap, request, observer, signal, async (described) => {
      await first(described);
      const { reader, description } = described;
      const verdict = await judgeInput(described, signal);
      const report = inputReport(file, request, description);
      const cutShort = reader.cutPages > 0;
      return { description, verdict, cutShort, mmap: reader.mapped, report, wayToLog: wayToLogOf(described) };
    });
    return work({ ...planned, ...known });
  });
}

function wayToLogOf({ file, reader, description }: Described): readonly PfnRange[] {
  const { info, encryptionMask, machine } = description;
  if (info === undefined || machine.utsname === undefined) return [];
  const arch = architectureOf(file);
  const tables = arch.findPageTables(info, encryptionMask)!;
  const walker = new PageTableWalker(new CachedMemory(reader), arch.tableFormat, tables);
  return wayToLog(info, arch, walker, file.pageSize);
}

/** All parts of it. @throws SmeltError; INTERRUPTED when the signal was aborted */
export function openInput(request: InputFiles, signal: AbortSignal): Promise<DumpFile> {
  return takeSteps(openingDump(...inputsOf(request)), () => stopIfAborted(signal));
}

/** Of an open file: its windows, and helpers on their way to them. Closes the file. */
export async function withHelpers<T>(
  file: DumpFile,
  { threads }: Pick<InputRequest, 'threads'>,
  work: (planned: Pick<Input, 'file' | 'plan' | 'helpers'>) => Promise<T>,
  /** Whose windows they are. */
  memory: Pick<DumpFile, 'memory' | 'pageSize'> = file,
): Promise<T> {
  let helpers: Helpers | undefined;
  try {
    const wanted = Math.max(1, threads ?? defaultThreads());
    const plan = planWindows(memory, wanted);
    // More threads than windows have nothing to do.
    const others = Math.min(wanted, plan.starts.length) - 1;
    helpers = others > 0 ? await startHelpers(others) : undefined;
    return await work({ file, plan, helpers });
  } finally {
    await helpers?.close();
    closeDump(file);
  }
}

/** Says what the input is as soon as that is known. `orLess`: gives a description where the usual one cannot be made. */
export async function describing<T>(
  file: DumpFile,
  mmap: boolean,
  request: InputRequest,
  observer: Watcher,
  signal: AbortSignal,
  work: (described: Described) => Promise<T>,
  orLess?: (error: unknown) => Description,
): Promise<T> {
  const reader = await openReader(file, mmap);
  try {
    const search = searchWith(observer.onProgress.bind(observer), () => stopIfAborted(signal));
    const look = async () => {
      await breathe();
      stopIfAborted(signal);
    };
    const description = await describe(file, reader, request, search, look).catch((error: unknown) => {
      if (orLess === undefined) throw error;
      return orLess(error);
    });
    observer.onInput(inputReport(file, request, description));
    return await work({ file, reader, description });
  } finally {
    reader.close();
  }
}

/** Whether the memory was read through the right mapping. */
export function judgeInput({ file, reader, description }: Described, signal: AbortSignal): Promise<Verdict> {
  const look = async () => {
    await breathe();
    stopIfAborted(signal);
  };
  return judge(file, reader, description, { look, capture: captureEncryption });
}

type InputFiles = Pick<InputRequest, 'input' | 'moreParts'>;

/** All files of the dump. */
export function inputsOf({ input, moreParts = [] }: InputFiles): [string, ...string[]] {
  return [input, ...moreParts];
}

/** What else is read. */
type Aids = Partial<Pick<DumpRequest, 'vmcoreinfoFile' | 'vmlinuxFile' | 'eraseConfig'>>;

/** @throws SmeltError TARGET */
export function refuseInputAsOutput(request: InputFiles & Aids, output: string | undefined): void {
  if (output === undefined) return;
  const aids = [request.vmcoreinfoFile, request.vmlinuxFile, request.eraseConfig];
  const read = [...inputsOf(request), ...aids.filter((path) => path !== undefined)];
  for (const path of [output, incompleteName(output)]) {
    const input = read.find((each) => isSameFile(each, path));
    if (input === undefined) continue;
    const what = inputsOf(request).includes(input) ? 'the input itself' : `${input}, which is read`;
    throw new SmeltError('TARGET', `${path}: is ${what}, and would be written over`, {
      hint: 'Give another name for the output.',
    });
  }
}

/** Also those that would grow under one name. @throws SmeltError TARGET */
export function refuseSameOutputs(outputs: readonly string[]): void {
  const seen = new Map<string, string>();
  for (const output of outputs) {
    for (const path of [output, incompleteName(output)]) {
      const real = realName(path);
      const other = seen.get(real);
      seen.set(real, output);
      if (other === undefined) continue;
      throw new SmeltError('TARGET', `${output}: would be written over by ${other}, another output`, {
        hint: 'Give each part a name of its own.',
      });
    }
  }
}

/** A name for what is not there yet. */
function realName(path: string): string {
  try {
    return join(realpathSync(dirname(path)), basename(path));
  } catch {
    return resolve(path);
  }
}

/** Whether this is known to be no dump of a machine's memory. */
export function isUnreadable({ outcome }: Verdict): boolean {
  return outcome === 'ciphertext' || outcome === 'private memory missing';
}

/** @throws SmeltError CIPHERTEXT for what is no dump of a machine's memory. */
export function refuseCiphertext(verdict: Verdict): void {
  if (!isUnreadable(verdict)) return;
  const { sentence, hint } = verdict;
  throw new SmeltError('CIPHERTEXT', sentence, hint === undefined ? {} : { hint });
}

/** @throws SmeltError INTERRUPTED, or what the signal was aborted with */
export function stopIfAborted({ aborted, reason }: AbortSignal): void {
  if (aborted) throw reason instanceof SmeltError ? reason : new SmeltError('INTERRUPTED', 'interrupted');
}

/** What a person is told first. */
export function inputReport(
  file: DumpFile,
  { input, moreParts = [] }: InputFiles,
  { machine, info, infoFrom, encryptionMask, encryptionMaskFrom }: Description,
): InputReport {
  return {
    path: input,
    moreParts,
    format: file.format === 'elf' ? 'ELF' : 'kdump-compressed',
    flattened: (file.format === 'kdump' ? file.parts : [file]).some(({ flat }) => flat !== undefined),
    ramBytes: file.memory.sizeBytes.reduce((sum, size) => sum + size, 0),
    release: machine.release,
    crashTime: info?.crashTime,
    architecture: machine.arch,
    pageSizeBytes: file.pageSize,
    pageTableLevels: machine.pageTableLevels,
    vmcoreinfoFrom: infoFrom,
    smeMask: encryptionMask === 0n ? undefined : `0x${encryptionMask.toString(16)}`,
    smeMaskBit: encryptionMask === 0n ? undefined : maskBit(encryptionMask),
    smeMaskFrom: encryptionMask === 0n ? undefined : encryptionMaskFrom,
    dumpLevel: file.format === 'kdump' ? file.dumpLevel : 0,
  };
}
