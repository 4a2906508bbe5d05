/** A dump from beginning to end: open, describe, and then a run for each level that is tried until one fits. */

import { setImmediate as breathe } from 'node:timers/promises';
import type { Walk } from '../arch/walk.ts';
import { ErasingReader } from '../kernel/erase/eraser.ts';
import { hasNoRoom } from '../write/target-file.ts';
import { checkLogFile, type SavedLog, saveDmesg } from './dmesg.ts';
import { DumpRun } from './dump-run.ts';
import { type Erasing, findErasures, readEraseConfig } from './erase.ts';
import {
  type Described,
  type Input,
  refuseInputAsOutput,
  refuseSameOutputs,
  stopIfAborted,
  withInput,
} from './input.ts';
import { withinMeans } from './means.ts';
import {
  type DumpObserver,
  type DumpReport,
  type DumpRequest,
  outputPaths,
  type TargetProtection,
} from './report.ts';
import { protectionOf, requireEncrypted } from './target-protection.ts';
import { walkIn } from './vtop.ts';

/** @throws SmeltError; INTERRUPTED when the signal was aborted. What is left behind then, the message says. */
export async function dump(
  asked: DumpRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<DumpReport> {
  const began = performance.now();
  const paths = outputPaths(asked);
  for (const path of paths) refuseInputAsOutput(asked, path);
  refuseSameOutputs(paths);
  let protection: TargetProtection | undefined;
  for (const path of asked.requireEncryptedTarget ? paths : []) {
    protection = await protectionOf(path);
    requireEncrypted(path, protection);
  }
  await checkLogFile(asked);
  const { eraseConfig, vmlinuxFile } = asked;
  const rules = eraseConfig === undefined ? undefined : readEraseConfig(eraseConfig);
  const means = withinMeans(asked);
  // Whatever it comes to, the log is saved first.
  means.catch(() => {});
  let saved: SavedLog | undefined;
  let walk: Walk | undefined;
  let erasing: Erasing | undefined;
  const first = async (described: Described) => {
    walk = asked.vtop === undefined ? undefined : walkIn(described, asked.vtop);
    if (walk !== undefined) observer.onWalk?.(walk);
    if (rules !== undefined)
      erasing = await findErasures(eraseConfig!, rules, vmlinuxFile!, described, async () => {
        await breathe();
        stopIfAborted(signal);
      });
    // What is erased is not to be found in the log either.
    const reader =
      erasing === undefined ? described.reader : new ErasingReader(described.reader, erasing.plan);
    if (asked.saveDmesg !== undefined)
      saved = await saveDmesg(asked.saveDmesg, asked, { ...described, reader }, observer, signal);
  };
  const work = async (input: Input) => {
    const { request, codec, warnings } = await means;
    const { otherLevels = [] } = request;
    const levels = [request.dumpLevel, ...(request.stream === undefined ? otherLevels : [])];
    const tooLarge: string[] = [];
    // A dump of one level beats none.
    if (request.stream !== undefined && otherLevels.length > 0)
      tooLarge.push(
        `of several levels only ${request.dumpLevel} is tried: what went to a stream cannot be taken back`,
      );
    for (;;) {
      const round = { ...request, dumpLevel: levels.shift() };
      const doneWithout = [...warnings, ...tooLarge, ...(erasing?.found.warnings ?? [])];
      const isLast = levels.length === 0;
      const run = new DumpRun(
        { request: round, codec, warnings: doneWithout },
        observer,
        signal,
        input,
        protection,
        saved,
        erasing,
        began,
        isLast,
      );
      try {
        return await run.run();
      } catch (error) {
        if (isLast || signal.aborted || !hasNoRoom(error)) throw error;
        tooLarge.push(`at level ${round.dumpLevel} the dump did not fit, and level ${levels[0]} was tried`);
      }
    }
  };
  const report = await withInput(asked, observer, signal, work, first);
  return { ...report, vtop: walk };
}
