/** `smelt verify`: whether a dump is whole: its headers, bitmaps, descriptors, notes, and every page. */

import type { SmeltError } from '../errors.ts';
import type { DumpFile, KdumpDumpFile } from '../read/dump-file.ts';
import { comma } from '../read/file.ts';
import { pagesOfAll } from '../read/kdump-file.ts';
import { isInMemory } from '../read/live.ts';
import { whyNotTogether } from '../salvage/evidence.ts';
import { missingParts } from '../salvage/parts.ts';
import { describeByNotes } from '../workers/describe.ts';
import { inputReport, inputsOf, stopIfAborted, withHelpers } from '../workers/input.ts';
import { openAnyhow } from '../workers/open-anyhow.ts';
import { readingJob } from '../workers/reading-job.ts';
import type { DumpObserver, InputReport, InputRequest, TeamReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { takeSteps } from '../workers/steps.ts';
import { assembleTeam, type Team } from '../workers/team.ts';
import { type Storage, sumVerified, type VerifyResult } from '../workers/verify-phase.ts';
import { checkBitmaps } from './verify/bitmaps.ts';
import { checkElf } from './verify/elf.ts';
import { type Finding, type FindingKind, finding } from './verify/finding.ts';
import { checkAgainstInfo, checkKdump } from './verify/kdump.ts';
import { checkNotes, type NotesReport } from './verify/notes.ts';
import { checkOverlaps } from './verify/overlap.ts';
import { cutOff, onceEach, pageFindings } from './verify/pages.ts';

export type VerifyRequest = InputRequest;

/** What a page that is whole proves: all its bytes (a checksum), that it unpacks to a page, or nothing. */
export type Proof = 'contents' | 'form' | 'nothing';

export interface StoredAs {
  readonly storage: Storage;
  readonly proves: Proof;
  readonly pages: number;
}

export interface VerifyReport extends TeamReport {
  readonly input: InputReport;
  /** Nothing is wrong. */
  readonly whole: boolean;
  /** What is wrong: of each kind, and of each part of a split dump, the first. */
  readonly findings: readonly Finding[];
  /** What is unusual, and not wrong: sentences. */
  readonly remarks: readonly string[];
  /** Pages that the dump says it has, and those of them that are whole, by how they are stored. */
  readonly pages: number;
  readonly wholePages: number;
  readonly storedAs: readonly StoredAs[];
  readonly notes: NotesReport;
}

/** zlib's stream ends with an Adler-32 of its contents, a zstd frame may with an XXH64. */
const PROOFS: Readonly<Record<Storage, Proof>> = {
  zlib: 'contents',
  'zstd+checksum': 'contents',
  zstd: 'form',
  lzo: 'form',
  snappy: 'form',
  raw: 'nothing',
  memory: 'nothing',
};
/** Errors of opening a dump that are what somebody wants to know who asks whether it is whole. */
const OPENING: Partial<Record<SmeltError['code'], FindingKind>> = {
  CORRUPT: 'header',
  TRUNCATED: 'truncated',
  PARTS: 'parts',
  NOT_A_DUMP: 'header',
};

/** @throws SmeltError of what is no dump at all; INTERRUPTED when the signal was aborted */
export async function verify(
  request: VerifyRequest,
  observer: DumpObserver,
  signal: AbortSignal,
): Promise<VerifyReport> {
  const began = performance.now();
  const { file, opening, remarks: first, lost } = await openForVerifying(request, signal);
  return withHelpers(file, request, async ({ plan, helpers }) => {
    const look = () => stopIfAborted(signal);
    const description = describeByNotes(file);
    const input = inputReport(file, request, description);
    observer.onInput(input);
    const findings = [...opening];
    const remarks = [...first];
    if (file.incomplete) findings.push(finding('incomplete', 'it says of itself that it is incomplete'));
    const notes = checkNotes(file);
    findings.push(...notes.findings);
    if (!notes.report.vmcoreinfo)
      remarks.push('it has no VMCOREINFO: tools have to find the kernel without it');
    for (const { path, flat } of file.format === 'kdump' ? file.parts : [file])
      if (flat?.bytesBehind)
        remarks.push(
          `${path}: ${comma(flat.bytesBehind)} bytes behind the end mark of the flattened file belong to nothing`,
        );
    const checked = file.format === 'kdump' ? kdumpParts(file, opening.length === 0) : [];
    for (const { findings: found } of checked) findings.push(...found);
    if (file.format === 'kdump') {
      const againstInfo = checkAgainstInfo(file, description.info);
      findings.push(...againstInfo.findings);
      remarks.push(...againstInfo.remarks);
    }
    if (file.format === 'elf') {
      const ofElf = checkElf(file);
      findings.push(...ofElf.findings);
      remarks.push(...ofElf.remarks);
    } else if (checked[0]!.bitmap1Offset !== undefined) {
      findings.push(...(await takeSteps(checkBitmaps(file, checked[0]!.bitmap1Offset), look)));
    }
    const mmap = request.mmap ?? !isInMemory(file);
    const places = checked.map((each) => each.places);
    let team: Team | undefined;
    try {
      const job = readingJob({ file, plan, helpers, description, mmap }, 0);
      team = await assembleTeam(job, helpers, observer.onProgress.bind(observer), signal);
      const claimed = pagesOf(file, plan.totalPages);
      const result = sumVerified(await team.verify({ phase: 'verify', places }, claimed));
      look();
      findings.push(...pageFindings(file, result));
      if (lost !== undefined) findings.push(lost);
      if (file.format === 'kdump') await checkPlaces(file, result, findings, remarks, look);
      if (team.fallback !== undefined) observer.onWarning(team.fallback);
      const storedAs = (Object.entries(result.whole) as [Storage, number][])
        .map(([storage, pages]) => ({ storage, proves: PROOFS[storage], pages }))
        .sort((a, b) => b.pages - a.pages);
      const wholePages = storedAs.reduce((sum, { pages }) => sum + pages, 0);
      const { otherPart: _, ...bad } = result.bad;
      const badPages = Object.values(bad).reduce((sum, { pages }) => sum + pages, lost?.pages ?? 0);
      return {
        input,
        whole: findings.length === 0,
        findings: onceEach(findings),
        remarks,
        pages: wholePages + badPages,
        wholePages,
        storedAs,
        notes: notes.report,
        threads: team.threads,
        phases: team.phases,
        totalMs: performance.now() - began,
        peakRssBytes: peakRssBytes(),
        warnings: team.fallback === undefined ? [] : [team.fallback],
      };
    } finally {
      team?.close();
    }
  });
}

interface Opened {
  readonly file: DumpFile;
  readonly opening: readonly Finding[];
  readonly remarks: readonly string[];
  /** Pages of an ELF core that is cut short. */
  readonly lost: Finding | undefined;
}

/** A dump that cannot be opened as it should is opened as `smelt salvage` does, to see what else there is. */
async function openForVerifying(request: VerifyRequest, signal: AbortSignal): Promise<Opened> {
  const { file, error, damage, claimed } = await openAnyhow(request, signal);
  const lost = claimed && file.format === 'elf' ? cutOff(file, claimed) : undefined;
  const kind = error && OPENING[error.code];
  if (error === undefined || kind === undefined) return { file, opening: [], remarks: [], lost };
  const missing = file.format === 'kdump' ? missingParts(file) : undefined;
  // A part may be asked about by itself.
  if (kind === 'parts' && inputsOf(request).length === 1 && missing !== undefined && damage.length === 1)
    return { file, opening: [], remarks: [`it is one part of a split dump: ${missing}`], lost };
  return { file, opening: damage.map((each) => finding(kind, each)), remarks: [], lost };
}

function kdumpParts(file: KdumpDumpFile, asStated: boolean) {
  return file.parts.map((part) => {
    const { findings, ...rest } = checkKdump(file, part, asStated);
    const path = file.parts.length > 1 ? part.path : undefined;
    return { ...rest, findings: findings.map((each) => ({ ...each, path })) };
  });
}

/** Page frames whose bytes the file should have. */
function pagesOf(file: DumpFile, existing: number): number {
  if (file.format === 'kdump') return file.parts.reduce((sum, { pages }) => sum + pages, 0);
  return file.stored === file.memory
    ? existing
    : Math.ceil(file.stored.sizeBytes.reduce((sum, size) => sum + size, 0) / file.pageSize);
}

/** Whether descriptors and bitmap belong together, and no two pages have the same bytes. */
async function checkPlaces(
  file: KdumpDumpFile,
  { atEnd }: VerifyResult,
  findings: Finding[],
  remarks: string[],
  look: () => void,
): Promise<void> {
  for (const [number, part] of file.parts.entries()) {
    const path = file.parts.length > 1 ? part.path : undefined;
    const { path: own, fd, fileBytes, flat } = part;
    const alone = { ...file, path: own, fd, fileBytes, flat, parts: [part] };
    const placed = { firstForBoth: false, eraseInfoAt: part.eraseInfoAt?.from ?? 0 };
    // Who has none of the page frames of a split dump has no pages either.
    const isEmpty = part.pages === 0 && (pagesOfAll(file) > 0 || part.fileBytes <= part.descOffset);
    const why =
      !isEmpty && atEnd[number] === 0 ? await takeSteps(whyNotTogether(alone, placed), look) : undefined;
    if (why?.code === 'CORRUPT')
      findings.push(finding('descriptors', why.message.slice(own.length + 2), { path }));
    const { findings: found, lookedAtBytes } = await takeSteps(checkOverlaps(file, part), look);
    findings.push(...found.map((each) => ({ ...each, path })));
    if (lookedAtBytes !== undefined)
      remarks.push(
        `whether pages overlap was looked at in the first ${comma(lookedAtBytes)} bytes of them alone`,
      );
  }
}
