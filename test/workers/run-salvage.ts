/** Runs `smelt salvage` in this process and holds what it wrote against the dump that was broken: no page may be invented. */
import { SmeltError } from '../../src/errors.ts';
import type { SalvageReport, SalvageRequest } from '../../src/workers/report.ts';
import { salvage } from '../../src/workers/salvage.ts';
import { parseKdump } from '../program/parse-kdump.ts';

type Asked = Pick<SalvageRequest, 'input' | 'output'> & Partial<SalvageRequest>;

const quiet = { onInput: () => {}, onProgress: () => {}, onWarning: () => {} };

export function runSalvage(asked: Asked, signal = new AbortController().signal): Promise<SalvageReport> {
  const request: SalvageRequest = {
    dryRun: asked.output === undefined,
    threads: 0,
    mmap: undefined,
    smeMask: undefined,
    vmcoreinfoFile: undefined,
    codec: undefined,
    compressionLevel: undefined,
    codecMaker: undefined,
    overwrite: true,
    keepIncomplete: false,
    requireEncryptedTarget: false,
    workDir: undefined,
    ...asked,
  };
  return salvage(request, quiet, signal);
}

/** What must not happen is a failure of another kind. */
export async function salvageOrWhy(asked: Asked): Promise<SalvageReport | SmeltError> {
  try {
    return await runSalvage(asked);
  } catch (error) {
    if (error instanceof SmeltError && error.code !== 'INTERNAL') return error;
    throw error;
  }
}

/** Codes of failures that say: nothing of it can be saved. */
export const NOTHING_SAVED = ['TRUNCATED', 'CORRUPT', 'NOT_A_DUMP', 'UNSUPPORTED'];

/** Page frames of `path` that are not what `original` has, but for those that cannot be known; and how many are right. */
export function compareWith(
  path: string,
  original: ReadonlyMap<number, Uint8Array>,
  unknowable: (pfn: number) => boolean = () => false,
): { wrong: number[]; right: number } {
  const dump = parseKdump(path);
  const wrong: number[] = [];
  let right = 0;
  for (const pfn of dump.descriptors.keys()) {
    // A salvaged dump has no descriptor without a page.
    const page = dump.page(pfn);
    const want = original.get(pfn);
    if (page !== undefined && want !== undefined && Buffer.compare(page, want) === 0) right++;
    else if (!unknowable(pfn)) wrong.push(pfn);
  }
  return { wrong, right };
}
