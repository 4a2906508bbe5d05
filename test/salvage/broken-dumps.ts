/** Broken dumps for the tests beside it, salvaged in this process, and held against what they were made of: no page may be invented. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { openCodec } from '../../src/codec/makers.ts';
import { SmeltError } from '../../src/errors.ts';
import { reassemble } from '../../src/workers/reassemble.ts';
import type { ReassembleReport, SalvageReport, SalvageRequest } from '../../src/workers/report.ts';
import { salvage } from '../../src/workers/salvage.ts';
import { encodeKdump, type KdumpCodec, type KdumpLayout, type KdumpOptions } from '../build/kdump.ts';
import { pageContent, xorshift } from '../build/page-content.ts';
import { parseKdump } from '../program/parse-kdump.ts';

/** Random places and damages of each kind; `SMELT_BIG=1` has as many as one night's run would. */
export const MANY = process.env.SMELT_BIG ? 500 : 25;
// Hundreds of small dumps, each brought to the disk, would be a test of the disk.
const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'smelt-salvage-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
export const at = (name: string) => join(folder, name);

export const VMCOREINFO = 'OSRELEASE=6.1.0-smelt\nPAGESIZE=4096\n';
export const CODECS = ['raw', 'zlib', 'lzo', 'snappy', 'zstd'] as const;
export const END_PFN = 1300;

/** Pages of all kinds with a hole between them, and some that nobody has. */
function memory(): Map<number, Uint8Array> {
  const pages = new Map<number, Uint8Array>();
  for (let pfn = 8; pfn < END_PFN; pfn++) {
    if (pfn % 64 > 40 || (pfn > 500 && pfn < 600)) continue;
    const kind = pfn % 7 === 0 ? 'zero' : pfn % 3 === 0 ? 'random' : 'text';
    pages.set(pfn, pageContent(kind, pfn));
  }
  return pages;
}
export const PAGES = memory();

const compressors = new Map<KdumpCodec, (page: Uint8Array) => Uint8Array>();
beforeAll(async () => {
  for (const name of ['lzo', 'snappy', 'zstd'] as const) {
    const codec = await openCodec(name);
    const out = Buffer.alloc(codec.outSize(4096));
    compressors.set(name, (page) => {
      const size = codec.compress(page, out);
      return size === 0 ? page : Buffer.from(out.subarray(0, size));
    });
  }
});

export function build(
  codec: KdumpCodec,
  change: Partial<KdumpOptions> = {},
): { file: Buffer; layout: KdumpLayout } {
  const compress = compressors.get(codec);
  return encodeKdump({
    path: '',
    codec,
    pages: PAGES,
    ram: [{ start: 4, end: END_PFN + 50 }],
    vmcoreinfo: VMCOREINFO,
    ...(compress === undefined ? {} : { compress }),
    ...change,
  });
}

/** Salvages these bytes; undefined where nothing was saved. */
export async function save(bytes: Uint8Array, name = 'broken') {
  writeFileSync(at(name), bytes);
  const output = at('saved');
  rmSync(output, { force: true });
  const result = await salvageOrWhy({ input: at(name), output });
  if (result instanceof SmeltError) {
    expect(NOTHING_SAVED, result.message).toContain(result.code);
    expect(result.message).not.toMatch(/NaN|undefined|\n/);
    return undefined;
  }
  return { report: result, output };
}

/** Each border and its neighbours, and places between. */
export function cuts(borders: readonly number[], size: number, random: number, seed: number): number[] {
  const next = xorshift(seed);
  const places = borders.flatMap((border) => [border - 1, border, border + 1]);
  for (let i = 0; i < random; i++) places.push(next() % size);
  return [...new Set(places.filter((place) => place >= 0 && place <= size))].sort((a, b) => a - b);
}

/** The descriptors of a file that is whole. */
export function descriptorsOf(file: Buffer, { descriptorOf }: KdumpLayout) {
  return new Map(
    [...descriptorOf].map(([pfn, where]) => [
      pfn,
      {
        where,
        offset: Number(file.readBigUInt64LE(where)),
        size: file.readUInt32LE(where + 8),
        flags: file.readUInt32LE(where + 12),
      },
    ]),
  );
}

export const isZero = (page: Uint8Array): boolean => page.every((byte) => byte === 0);

type Asked = Pick<SalvageRequest, 'input' | 'output'> & Partial<SalvageRequest>;

const REQUEST = {
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
} as const;
const quiet = { onInput: () => {}, onProgress: () => {}, onWarning: () => {} };

export function runSalvage(asked: Asked, signal = new AbortController().signal): Promise<SalvageReport> {
  return salvage({ ...REQUEST, dryRun: asked.output === undefined, ...asked }, quiet, signal);
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
const NOTHING_SAVED = ['TRUNCATED', 'CORRUPT', 'NOT_A_DUMP', 'UNSUPPORTED'];

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

/** Joins parts as `smelt --reassemble` does. */
export function runReassemble(
  input: string,
  moreParts: readonly string[],
  output: string,
): Promise<ReassembleReport> {
  return reassemble({ ...REQUEST, input, moreParts, output }, quiet, new AbortController().signal);
}
