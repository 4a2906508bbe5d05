/** Runs the engine in this process, on the TypeScript sources, in a folder that goes away after the test file. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { dump } from '../../src/workers/dump.ts';
import type { DumpReport, DumpRequest, InputReport, Progress } from '../../src/workers/report.ts';

/** A folder for one test file, removed when it is done. */
export function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'smelt-test-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export interface Ran {
  readonly report: DumpReport;
  readonly input: InputReport;
  readonly warnings: readonly string[];
  readonly progress: readonly Progress[];
}

type Asked = Pick<DumpRequest, 'input' | 'output'> & Partial<DumpRequest>;

export function requestOf(asked: Asked): DumpRequest {
  return {
    dryRun: false,
    dedup: false,
    dumpLevel: undefined,
    codec: undefined,
    compressionLevel: undefined,
    codecMaker: undefined,
    threads: 0,
    mmap: undefined,
    overwrite: false,
    keepIncomplete: false,
    strict: false,
    excludeShared: false,
    allowCiphertext: false,
    requireEncryptedTarget: false,
    saveDmesg: undefined,
    partialDmesg: false,
    vtop: undefined,
    workDir: undefined,
    splitblockBytes: undefined,
    smeMask: undefined,
    vmcoreinfoFile: undefined,
    ...asked,
  };
}

/** Whether the disks of the machine that tests are encrypted is not what is tested. */
export const isOfTestedDisks = (warning: string): boolean =>
  warning.startsWith('the memory was encrypted while the machine ran');

export async function runDump(asked: Asked, signal = new AbortController().signal): Promise<Ran> {
  const inputs: InputReport[] = [];
  const warnings: string[] = [];
  const progress: Progress[] = [];
  const observer = {
    onInput: (input: InputReport) => void inputs.push(input),
    onWarning: (sentence: string) => void (isOfTestedDisks(sentence) || warnings.push(sentence)),
    onProgress: (p: Progress) => void progress.push(p),
  };
  const report = await dump(requestOf(asked), observer, signal);
  if (inputs.length !== 1) throw new Error(`onInput was told ${inputs.length} times`);
  return { report, input: inputs[0], warnings, progress };
}

/** The error of a run that must fail. */
export async function failureOf(asked: Asked, signal?: AbortSignal): Promise<SmeltError> {
  try {
    await runDump(asked, signal);
  } catch (error) {
    if (error instanceof SmeltError) return error;
    throw error;
  }
  throw new Error('the run did not fail');
}
