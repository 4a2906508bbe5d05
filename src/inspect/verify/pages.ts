/** Pages that are not whole: each reason once. */

import type { DumpFile, ElfDumpFile, Extents } from '../../read/dump-file.ts';
import { pfnRuns } from '../../read/extents.ts';
import { comma } from '../../read/file.ts';
import { firstOf } from '../../workers/first-runs.ts';
import type { LostPages, PfnRun } from '../../workers/report.ts';
import type { BadPages, VerifyResult } from '../../workers/verify-phase.ts';
import { type Finding, finding } from './finding.ts';

const BAD: Readonly<Record<keyof LostPages, string>> = {
  neverWritten: 'marked as missing: the dump was not finished',
  cutOff: 'cut off: the file ends before their bytes or their descriptors',
  badDescriptor: 'of a descriptor that says what cannot be',
  notWhole: 'damaged: what is stored does not unpack to a page',
  overlapping: 'where the erase info is, and no page can be',
  unreadable: 'not to be read: the system refuses',
  noCodec: 'not to be unpacked: the codec is missing here',
  otherPart: 'in parts that were not given',
};

export function pageFindings(file: DumpFile, { bad }: VerifyResult): Finding[] {
  const parts = file.format === 'kdump' ? file.parts : [];
  return (Object.entries(bad) as [keyof LostPages, BadPages][]).flatMap(([kind, found]) => {
    // What is in other parts is not this one's.
    if (kind === 'otherPart') return [];
    const { pages, runs, byteOffset, part } = found;
    const what = pagesAre(kind, pages);
    const path = parts.length > 1 ? parts[part]!.path : undefined;
    return [finding(kind, what, { pages, runs, byteOffset, path })];
  });
}

const pagesAre = (kind: keyof LostPages, pages: number) =>
  `${comma(pages)} page${pages === 1 ? ' is' : 's are'} ${BAD[kind]}`;

/** Pages of an ELF core that is cut short: those that it should have, and has not. */
export function cutOff({ stored, pageSize }: ElfDumpFile, claimed: Extents): Finding {
  const lost = [...without(pfnRuns(claimed, pageSize), [...pfnRuns(stored, pageSize)])];
  const pages = lost.reduce((sum, { count }) => sum + count, 0);
  return finding('cutOff', pagesAre('cutOff', pages), { pages, runs: firstOf([lost]) });
}

/** What `all` has and `some` has not; both are in ascending order. */
function* without(all: Iterable<PfnRun>, some: readonly PfnRun[]): Generator<PfnRun> {
  let i = 0;
  for (const { pfn, count } of all) {
    let at = pfn;
    for (; i < some.length && some[i]!.pfn < pfn + count; i++) {
      if (some[i]!.pfn > at) yield { pfn: at, count: some[i]!.pfn - at };
      at = some[i]!.pfn + some[i]!.count;
    }
    if (at < pfn + count) yield { pfn: at, count: pfn + count - at };
  }
}

/** Where the file ends, and which pages that costs, is one thing. */
export function onceEach(findings: readonly Finding[]): readonly Finding[] {
  const [end, ...moreEnds] = findings.filter(({ kind }) => kind === 'truncated');
  const [lost, ...moreLost] = findings.filter(({ kind }) => kind === 'cutOff');
  if (end === undefined || lost === undefined || moreEnds.length + moreLost.length > 0) return findings;
  const one = { ...lost, what: `${lost.what.replace(/:.*/s, '')}: ${end.what}` };
  return findings.flatMap((each) => (each === end ? [one] : each === lost ? [] : [each]));
}
