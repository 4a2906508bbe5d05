/** The sample that is a real /proc/vmcore (samples/README.md): the program against what makedumpfile makes of it. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, inflateSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseKdump } from './parse-kdump.ts';
import { reportOf, scratch, smelt } from './smelt.ts';

const PAGE = 4096;
const samples = fileURLToPath(new URL('../../samples', import.meta.url));
const sample = join(samples, 'x86_64-6.1-proc-vmcore-small');
const truth = JSON.parse(readFileSync(`${sample}.json`, 'utf8'));

const dir = scratch();
const input = join(dir, 'vmcore');
let elf: Buffer;
let loads: readonly Segment[];

interface Segment {
  readonly offset: number;
  readonly paddr: number;
  readonly filesz: number;
}

/** By hand: no code of src/read. */
function segmentsOf(file: Buffer, wanted: number): Segment[] {
  const at = Number(file.readBigUInt64LE(32));
  return Array.from({ length: file.readUInt16LE(56) }, (_, i) => at + 56 * i)
    .filter((header) => file.readUInt32LE(header) === wanted)
    .map((header) => {
      const [offset, , paddr, filesz] = [8, 16, 24, 32].map((by) =>
        Number(file.readBigUInt64LE(header + by)),
      ) as [number, number, number, number];
      return { offset, paddr, filesz };
    });
}

const holds = (segment: Segment, paddr: number, bytes: number) =>
  segment.paddr <= paddr && paddr + bytes <= segment.paddr + segment.filesz;

function pageOf(pfn: number): Buffer | undefined {
  const segment = loads.find((each) => holds(each, pfn * PAGE, PAGE));
  const at = segment && segment.offset + pfn * PAGE - segment.paddr;
  return at === undefined ? undefined : elf.subarray(at, at + PAGE);
}

beforeAll(() => {
  elf = gunzipSync(readFileSync(`${sample}.elf.gz`));
  loads = segmentsOf(elf, 1);
  // Packed without what is in it twice (test/peers/overlap.py).
  const [image, ...others] = loads as [Segment, ...Segment[]];
  const twin = others.find((other) => holds(other, image.paddr, image.filesz))!;
  const from = twin.offset + image.paddr - twin.paddr;
  elf.copy(elf, image.offset, from, from + image.filesz);
  expect(createHash('sha256').update(elf).digest('hex')).toBe(truth.sha256);
  writeFileSync(input, elf);
});

describe('a real /proc/vmcore, whose first segment is memory that another one holds too', () => {
  test.each(Object.keys(truth.levels))('at level %s keeps the pages that makedumpfile keeps', (level) => {
    const output = join(dir, `level-${level}`);
    const result = smelt('--json', '--quiet', '-z', '-d', level, input, output);
    expect(result).toMatchObject({ status: 0, stderr: '' });
    const report = reportOf(result);
    const dump = parseKdump(output);
    const peer = inflateSync(Buffer.from(truth.levels[level].bitmap2ZlibBase64, 'base64'));
    // Of frame 0x9f only 3 KiB are memory: makedumpfile leaves it out (docs/notes/differences-from-makedumpfile.md).
    peer[0x9f >> 3]! |= 1 << (0x9f & 7);
    expect(dump.bitmap2.equals(peer)).toBe(true);
    const { cache, cachePrivate, user, free } = truth.levels[level].pages;
    expect(report).toMatchObject({ classes: { cache, cachePrivate, user, free, undecided: 0 } });
  });

  test('gives every page back as it was, at any number of threads', () => {
    for (const threads of ['0', '2']) {
      const output = join(dir, `threads-${threads}`);
      expect(smelt('--quiet', '-z', '-d', '31', '--num-threads', threads, input, output).status).toBe(0);
      const dump = parseKdump(output);
      expect(dump.descriptors.size).toBeGreaterThan(16_000);
      for (const pfn of dump.descriptors.keys()) {
        if (pfn !== 0x9f && !dump.page(pfn)!.equals(pageOf(pfn)!)) throw new Error(`page ${pfn} differs`);
      }
    }
  });

  test('keeps the notes: the registers of each CPU, and VMCOREINFO with the time of the crash', () => {
    const output = join(dir, 'notes');
    expect(smelt('--quiet', '-d', '31', input, output).status).toBe(0);
    const dump = parseKdump(output);
    const notes = segmentsOf(elf, 4).map(({ offset, filesz }) => elf.subarray(offset, offset + filesz));
    expect(dump.notes.equals(Buffer.concat(notes))).toBe(true);
    expect(dump.nrCpus).toBe(2);
    expect(dump.vmcoreinfo).toMatch(/^CRASHTIME=\d+$/m);
  });

  test('has the log to its end, the panic', () => {
    const result = smelt('--dump-dmesg', input, '-');
    expect(result.status).toBe(0);
    expect(result.stdout).toContain('Kernel panic - not syncing: sysrq triggered crash');
  });
});
