/** /proc/kcore without what is reserved for a crash kernel. */
import { describe, expect, it } from 'vitest';
import type { ElfDumpFile, Extents } from '../../src/read/dump-file.ts';
import { extentsOf } from '../../src/read/extents.ts';
import { isKcore, withoutCrashKernel } from '../../src/read/kcore.ts';

const MiB = 2 ** 20;
const memory = extentsOf([
  { paddr: MiB, sizeBytes: 127 * MiB, byteOffset: 5 * MiB },
  { paddr: 256 * MiB, sizeBytes: 64 * MiB, byteOffset: 200 * MiB },
]);
const file = { memory, stored: memory } as ElfDumpFile;
const rows = ({ paddr, sizeBytes, byteOffset }: Extents) =>
  Array.from(paddr, (at, i) => [at, sizeBytes[i], byteOffset[i]].map((bytes) => bytes! / MiB));
const line = (from: number, to: number, what = 'Crash kernel') =>
  `  ${(from * MiB).toString(16).padStart(8, '0')}-${(to * MiB - 1).toString(16)} : ${what}\n`;

describe('the memory of the machine that runs', () => {
  it.each<[string, string, number[][]]>([
    [
      'in the middle of a part',
      line(32, 48),
      [
        [1, 31, 5],
        [48, 80, 52],
        [256, 64, 200],
      ],
    ],
    [
      'at its beginning',
      line(0, 48),
      [
        [48, 80, 52],
        [256, 64, 200],
      ],
    ],
    [
      'at its end, and in a hole',
      line(100, 200),
      [
        [1, 99, 5],
        [256, 64, 200],
      ],
    ],
    ['as a whole part', line(256, 320), [[1, 127, 5]]],
    [
      'in two places',
      line(32, 48) + line(300, 400),
      [
        [1, 31, 5],
        [48, 80, 52],
        [256, 44, 200],
      ],
    ],
    [
      'nowhere',
      line(32, 48, 'Kernel code'),
      [
        [1, 127, 5],
        [256, 64, 200],
      ],
    ],
    [
      'nowhere that one may know',
      '00000000-00000000 : Crash kernel\n',
      [
        [1, 127, 5],
        [256, 64, 200],
      ],
    ],
  ])('has not what is reserved %s', (_, iomem, expected) => {
    const { memory: left, stored } = withoutCrashKernel(file, iomem);
    expect(rows(left)).toEqual(expected);
    expect(rows(stored)).toEqual(expected);
  });

  it('is told from dumps by its name', () => {
    expect(isKcore('/proc/version')).toBe(false);
    expect(isKcore('/no/kcore')).toBe(false);
  });
});
