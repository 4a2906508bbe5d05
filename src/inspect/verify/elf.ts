/** Whether what the headers of an ELF core say of the file fits together. */

import type { ElfDumpFile } from '../../read/dump-file.ts';
import { Elf64Ehdr, Elf64Phdr, type ElfHeaders, readElf } from '../../read/elf.ts';
import { comma } from '../../read/file.ts';
import { type Finding, finding, overlaps, type Place } from './finding.ts';

interface SegmentPlace extends Place {
  /** Undefined: no memory. */
  readonly toPaddr: number | undefined;
}

export function checkElf(file: ElfDumpFile): { findings: Finding[]; remarks: string[] } {
  const headers = readElf(file, []);
  const findings: Finding[] = [];
  let pairs = 0;
  for (const [a, b] of overlaps(placesOf(headers)) as Iterable<readonly [SegmentPlace, SegmentPlace]>) {
    // One stretch of the file for one stretch of memory, twice: QEMU with paging has as many as there are mappings.
    if (a.toPaddr !== undefined && a.toPaddr === b.toPaddr) continue;
    pairs++;
    if (pairs > 1) continue;
    findings.push(
      finding('segments', `${b.what} begins at byte ${comma(b.from)}, within ${a.what}`, {
        byteOffset: b.from,
      }),
    );
  }
  if (pairs > 1)
    findings.push(
      finding('segments', `${comma(pairs - 1)} more places of the file are said to be two things`),
    );
  const many = new Set(headers.segments.map(({ paddr }) => paddr)).size < headers.segments.length;
  return {
    findings,
    remarks: many ? ['some segments describe memory that others describe too: the first ones count'] : [],
  };
}

function placesOf({ header, count, segments, noteRanges }: ElfHeaders): SegmentPlace[] {
  const place = (what: string, from: number, sizeBytes: number, toPaddr?: number): SegmentPlace => ({
    what,
    from,
    end: from + sizeBytes,
    toPaddr,
  });
  return [
    place('the ELF header', 0, Elf64Ehdr.size),
    place('the table of program headers', header.e_phoff, count * Elf64Phdr.size),
    ...noteRanges.map(({ byteOffset, sizeBytes }) => place('a segment of notes', byteOffset, sizeBytes)),
    ...segments.map(({ paddr, byteOffset, filesz }) =>
      place(`the segment of memory at 0x${paddr.toString(16)}`, byteOffset, filesz, paddr - byteOffset),
    ),
  ];
}
