/** Whether what the headers of a kdump-compressed file say fits together, and with the file. */

import { textOf, type Vmcoreinfo } from '../../kernel/vmcoreinfo.ts';
import type { KdumpDumpFile, KdumpPart } from '../../read/dump-file.ts';
import { comma } from '../../read/file.ts';
import {
  bitmapBytes,
  CompressionFlag,
  DiskDumpHeader,
  KdumpSubHeader,
  PageDescriptor,
  STATUS_EXCLUDED_VMEMMAP,
  STATUS_INCOMPLETE,
  UTS_FIELDS,
  UTS_LENGTH,
} from '../../read/kdump-layout.ts';
import { partOf } from '../../read/source.ts';
import type { PartPlaces } from '../../workers/verify-phase.ts';
import { type Finding, type FindingKind, finding, overlaps, type Place } from './finding.ts';

const CODECS = Object.values<number>(CompressionFlag);
const KNOWN_STATUS = CODECS.reduce((all, flag) => all | flag, STATUS_INCOMPLETE | STATUS_EXCLUDED_VMEMMAP);
const LARGEST_U32 = 2 ** 32 - 1;

export interface KdumpChecked {
  readonly findings: Finding[];
  /** Undefined where the headers do not say it. */
  readonly bitmap1Offset: number | undefined;
  readonly places: PartPlaces;
}

/** Of one file: the dump, or a part of a split one. `asStated`: its headers could be believed when it was opened. */
export function checkKdump(file: KdumpDumpFile, part: KdumpPart, asStated: boolean): KdumpChecked {
  const descriptorsEnd = part.descOffset + part.pages * PageDescriptor.size;
  if (!asStated) return { findings: [], bitmap1Offset: undefined, places: { descriptorsEnd, reserved: [] } };
  const block = file.pageSize;
  const header = DiskDumpHeader.read(partOf(part, 'the dump header', 0, DiskDumpHeader.size));
  const sub = KdumpSubHeader.read(partOf(part, 'the sub header', block, KdumpSubHeader.size));
  const version = header.header_version;
  const findings: Finding[] = [];
  const say = (kind: FindingKind, what: string) => findings.push(finding(kind, what));

  if (version >= 6 && header.max_mapnr !== Math.min(sub.max_mapnr_64, LARGEST_U32))
    say('header', `max_mapnr is ${comma(header.max_mapnr)}, and max_mapnr_64 ${comma(sub.max_mapnr_64)}`);
  const oneBitmap = bitmapBytes(file.maxMapnr, block) / block;
  if (header.bitmap_blocks !== 2 * oneBitmap && header.bitmap_blocks !== oneBitmap) {
    say(
      'header',
      `bitmap_blocks is ${comma(header.bitmap_blocks)}, and two bitmaps of ${comma(file.maxMapnr)} page frames take ${comma(2 * oneBitmap)}`,
    );
  }
  const codecs = CODECS.filter((flag) => (header.status & flag) !== 0);
  if ((header.status & ~KNOWN_STATUS) !== 0 || codecs.length > 1)
    say('header', `status is 0x${header.status.toString(16)}, which no dump has`);

  const bitmap1Offset = (1 + header.sub_hdr_size) * block;
  const place = (what: string, from: number, sizeBytes: number): Place => ({
    what,
    from,
    end: from + sizeBytes,
  });
  const notes = place('the notes', sub.offset_note, version >= 4 ? sub.size_note : 0);
  const info = place('VMCOREINFO', sub.offset_vmcoreinfo, version >= 3 ? sub.size_vmcoreinfo : 0);
  const hasErase = version >= 5 && sub.offset_eraseinfo > 0;
  const erase = place('the erase info', sub.offset_eraseinfo, hasErase ? sub.size_eraseinfo : 0);
  const fixed = [
    place('the dump header', 0, DiskDumpHeader.size),
    place('the sub header', block, KdumpSubHeader.size),
    place('the bitmaps', bitmap1Offset, header.bitmap_blocks * block),
    place('the page descriptors', part.descOffset, part.pages * PageDescriptor.size),
    erase,
  ];
  // VMCOREINFO is mostly in the notes, once.
  const isInNotes = info.from >= notes.from && info.end <= notes.end;
  for (const [a, b] of overlaps([...fixed, notes, ...(isInNotes ? [] : [info])]))
    say(
      'header',
      `${b.what} begin${b.what.endsWith('s') ? '' : 's'} at byte ${comma(b.from)}, within ${a.what}`,
    );
  if (info.end > info.from) findings.push(...checkInfo(part, info));
  return {
    findings,
    bitmap1Offset,
    places: { descriptorsEnd, reserved: erase.end > erase.from ? [erase] : [] },
  };
}

/** Whether the texts of the header are texts, and what VMCOREINFO says as well is the same. */
export function checkAgainstInfo(
  { utsname, physBase }: KdumpDumpFile,
  info: Vmcoreinfo | undefined,
): { findings: Finding[]; remarks: string[] } {
  const at = UTS_LENGTH * UTS_FIELDS.indexOf('release');
  const release = textOf(utsname.subarray(at, at + UTS_LENGTH));
  const findings: Finding[] = [];
  for (const [i, field] of UTS_FIELDS.entries()) {
    const text = utsname.subarray(i * UTS_LENGTH, (i + 1) * UTS_LENGTH);
    const end = text.indexOf(0);
    if (end < 0 || text.subarray(end).some((byte) => byte !== 0))
      findings.push(finding('header', `${field} does not end where a text ends`));
  }
  // QEMU says nothing.
  if (release !== '' && info?.release !== undefined && info.release !== release)
    findings.push(
      finding('header', `the header says that the kernel is "${release}", and VMCOREINFO "${info.release}"`),
    );
  const base = info?.number('phys_base');
  const hex = (value: bigint) => `0x${BigInt.asUintN(64, value).toString(16)}`;
  // QEMU writes anything at all where it does not know it.
  const differs = base !== undefined && hex(base) !== hex(physBase);
  const remarks = differs ? [`phys_base is ${hex(physBase)}, and VMCOREINFO says ${hex(base)}`] : [];
  return { findings, remarks };
}

/** The text that the sub header points at. */
function checkInfo(part: KdumpPart, { from, end }: Place): Finding[] {
  const first = 'OSRELEASE=';
  const isThere = end <= part.fileBytes && end - from >= first.length;
  const text = isThere ? partOf(part, 'VMCOREINFO', from, first.length).toString('latin1') : '';
  return text === first
    ? []
    : [
        finding('vmcoreinfo', `what should be VMCOREINFO at byte ${comma(from)} is something else`, {
          byteOffset: from,
        }),
      ];
}
