/** Reads the LUKS header of a block device or an image file: only the header, never an area with key material. */

import { fstatSync } from 'node:fs';
import { readFully } from '../../read/file.ts';
import { type Content, withFile } from '../../sme/live/files.ts';
import { type Copy, missingCopy, readCopy } from './copy.ts';
import { LUKS1_BYTES, LUKS2_SIZES, LuksMagic, MAGIC } from './layout.ts';
import { parseLuks1 } from './luks1.ts';
import type { HeaderCopy, Keyslot, Luks2Header, LuksHeader, NotLuks } from './report.ts';

/**
 * `path` is one of the machine below `root`. Reads at most 4 MiB of each copy, and a page at each of the nine places where a
 * secondary header may be. Nothing that the device holds makes it throw.
 */
export function readLuksHeader(path: string, root = '/'): LuksHeader | NotLuks {
  const content = withFile(root, path, (fd): Content<LuksHeader | NotLuks> => {
    const stat = fstatSync(fd);
    if (!stat.isFile() && !stat.isBlockDevice())
      return { reason: `${path} is neither a block device nor an image file`, absent: false };
    return { value: readOpen(fd, stat.isFile() ? stat.size : undefined) };
  });
  return 'value' in content ? content.value : { notLuks: content.reason };
}

/** `fileBytes` of a block device is not known. */
function readOpen(fd: number, fileBytes: number | undefined): LuksHeader | NotLuks {
  const first = Buffer.alloc(LUKS1_BYTES);
  const start = first.subarray(0, readFully(fd, first, 0));
  const magic = start.length < LuksMagic.size ? undefined : LuksMagic.read(start, 0, false);
  const isLuks = magic?.magic === MAGIC;
  if (isLuks && magic.version === 1) {
    const header = parseLuks1(start);
    return typeof header === 'string' ? { notLuks: header } : header;
  }
  const primary = readCopy(fd, 'primary', 0);
  const secondary = findSecondary(fd, primary);
  if (!secondary.isThere && !(isLuks && magic.version === 2))
    return { notLuks: isLuks ? `LUKS of version ${magic.version} is not known` : 'there is no LUKS header' };
  return luks2Header(primary, secondary, fileBytes);
}

/** Behind the primary header, or wherever it may be where that one is broken. Source: LUKS2_disk_hdr_read(). */
function findSecondary(fd: number, primary: Copy): Copy {
  if (primary.metadata !== undefined) return readCopy(fd, 'secondary', primary.sizeBytes!);
  const found = LUKS2_SIZES.map((byteOffset) => readCopy(fd, 'secondary', byteOffset)).filter(
    ({ isThere }) => isThere,
  );
  const good = found.find(({ metadata }) => metadata !== undefined);
  return good ?? found[0] ?? missingCopy('secondary', undefined, 'is nowhere to be found');
}

function luks2Header(primary: Copy, secondary: Copy, fileBytes: number | undefined): Luks2Header {
  const copies = [primary, secondary];
  const good = copies.filter(({ metadata }) => metadata !== undefined);
  const newest = Math.max(...good.map(({ seqid }) => seqid!));
  const used = good.find(({ seqid }) => seqid === newest);
  const named = used ?? copies.find(({ isThere }) => isThere) ?? primary;
  const { keyslots, segments, digests, tokens, config } = used?.metadata ?? {};
  const stateOf = (copy: Copy): HeaderCopy['state'] => {
    if (copy.metadata === undefined) return 'broken';
    return copy.seqid === newest ? 'good' : 'older';
  };
  const tell = (copy: Copy): HeaderCopy => ({
    role: copy.role,
    byteOffset: copy.byteOffset,
    state: stateOf(copy),
    seqid: copy.seqid,
  });
  return {
    version: 2,
    uuid: named.uuid,
    label: named.label,
    subsystem: named.subsystem,
    copies: [tell(primary), tell(secondary)],
    used: used?.role,
    keyslots: keyslots ?? [],
    unlockMemoryBytes: unlockMemoryBytes(keyslots ?? []),
    segments: segments ?? [],
    digests: digests ?? [],
    tokens: tokens ?? [],
    config,
    broken: [...copies.flatMap(({ broken }) => broken), ...disagreements(good, used, fileBytes)],
  };
}

function disagreements(
  good: readonly Copy[],
  used: Copy | undefined,
  fileBytes: number | undefined,
): string[] {
  const sentences = good
    .filter((copy) => copy.seqid !== used?.seqid)
    .map(
      (old) => `the ${old.role} header is older (seqid ${old.seqid}) than the other (seqid ${used?.seqid})`,
    );
  if (good.length === 2 && good[0].uuid !== good[1].uuid)
    sentences.push('the primary and the secondary header have different UUIDs');
  if (used === undefined) return sentences;
  // Source: device_check_size() in LUKS2_disk_hdr_read(); cryptsetup does not open such a file.
  const headerBytes = 2 * used.sizeBytes! + (used.metadata?.config?.keyslotsBytes ?? 0);
  if (fileBytes !== undefined && fileBytes < headerBytes)
    sentences.push(`the file has ${fileBytes} bytes, fewer than its header and keyslots (${headerBytes})`);
  return sentences;
}

function unlockMemoryBytes(keyslots: readonly Keyslot[]): number | undefined {
  const kdfs = keyslots.flatMap(({ kdf }) => kdf ?? []);
  return kdfs.length === 0 ? undefined : Math.max(...kdfs.map(({ memoryKib }) => (memoryKib ?? 0) * 1024));
}
