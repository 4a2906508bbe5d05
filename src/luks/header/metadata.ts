/**
 * The JSON area of a LUKS2 header. Source: LUKS2 On-Disk Format Specification, "LUKS2 JSON Metadata Format"; what is refused is what
 * LUKS2_hdr_validate() of cryptsetup 2.9 refuses, but for the rules of a reencryption under way.
 */

import { checkAgreement, type Interval, type Metadata } from './agreement.ts';
import { LUKS2_BINARY_BYTES, LUKS2_SIZES, SECTOR_BYTES } from './layout.ts';
import type { Config, Digest, Kdf, Keyslot, Segment, Token } from './report.ts';
import { Problems, Shape } from './shape.ts';

/** Source: LUKS2_check_keyslots_area_size() of luks2_json_format.c. */
const MAX_KEYSLOTS_BYTES = 128 * 1024 * 1024;
const KEYSLOTS_ALIGN_BYTES = 4096;

/** `jsonBytes` is the size of the JSON area by the binary header. */
export function readMetadata(json: object, jsonBytes: number): { metadata: Metadata; problems: string[] } {
  const problems = new Problems();
  const all = new Shape(json, 'JSON area', problems);
  const areas: Interval[] = [];
  const metadata = {
    keyslots: all.numbered('keyslots', 'keyslot').flatMap((each) => readKeyslot(each, areas)),
    segments: all.numbered('segments', 'segment').flatMap(readSegment),
    digests: all.numbered('digests', 'digest').map(readDigest),
    tokens: all.numbered('tokens', 'token').map(readToken),
    config: readConfig(all.object('config'), jsonBytes),
  };
  // Whether the parts agree can be said only of parts that are whole.
  if (problems.sentences.length === 0) checkAgreement(metadata, areas, problems);
  return { metadata, problems: problems.sentences };
}

interface Numbered {
  readonly id: number;
  readonly shape: Shape;
}

const PRIORITIES = ['ignore', 'normal', 'prefer'] as const;

function readKeyslot({ id, shape }: Numbered, areas: Interval[]): Keyslot[] {
  const type = shape.string('type');
  const keyBytes = shape.uint32('key_size');
  const area = shape.object('area');
  const [offset, size] = [area?.decimal('offset'), area?.decimal('size')];
  area?.string('type');
  if (type === undefined || keyBytes === undefined || offset === undefined || size === undefined) return [];
  if (size === 0) area?.complain('is empty');
  areas.push({ what: `the area of keyslot ${id}`, start: offset, end: offset + size });
  const isKey = type === 'luks2';
  const [af, kdf] = isKey ? [shape.object('af'), shape.object('kdf')] : [undefined, undefined];
  if (isKey) {
    area?.uint32('key_size');
    af?.string('hash');
    if (area?.string('type') !== 'raw') area?.complain('is of a type that is not known');
    if (af?.string('type') !== 'luks1') af?.complain('is of a type that is not known');
  }
  return [
    {
      id,
      active: true,
      type,
      priority: shape.choice('priority', PRIORITIES, 'normal'),
      kdf: kdf && readKdf(kdf),
      keyBytes,
      areaEncryption: isKey ? area?.string('encryption') : undefined,
      stripes: af?.uint32('stripes'),
    },
  ];
}

/** Kinds that nobody knows yet have a type and nothing that can be said of it. */
function readKdf(kdf: Shape): Kdf | undefined {
  const type = kdf.string('type');
  switch (type) {
    case undefined:
      return undefined;
    case 'pbkdf2': {
      requireSalt(kdf);
      const [hash, iterations] = [kdf.string('hash'), kdf.uint32('iterations')];
      return hash === undefined || iterations === undefined ? undefined : { type, hash, iterations };
    }
    case 'argon2i':
    case 'argon2id': {
      requireSalt(kdf);
      const [time, memoryKib, cpus] = [kdf.uint32('time'), kdf.uint32('memory'), kdf.uint32('cpus')];
      if (time === undefined || memoryKib === undefined || cpus === undefined) return undefined;
      return { type, time, memoryKib, cpus };
    }
    default:
      return { type };
  }
}

/** It has to be there, and goes no further. */
function requireSalt(kdf: Shape): void {
  kdf.string('salt');
}

function readSegment({ id, shape }: Numbered): Segment[] {
  const [type, offsetBytes] = [shape.string('type'), shape.decimal('offset')];
  const sizeBytes = shape.string('size') === 'dynamic' ? 'dynamic' : shape.decimal('size');
  if (type === undefined || offsetBytes === undefined || sizeBytes === undefined) return [];
  const isCrypt = type === 'crypt' || type === 'hw-opal-crypt';
  const sectorBytes = isCrypt ? shape.uint32('sector_size') : undefined;
  if (isCrypt) shape.decimal('iv_tweak');
  const unit = sectorBytes ?? SECTOR_BYTES;
  if (unit === 0 || unit % SECTOR_BYTES !== 0) shape.complain(`has sectors of ${unit} bytes`);
  else if (offsetBytes % SECTOR_BYTES !== 0 || (sizeBytes !== 'dynamic' && sizeBytes % unit !== 0))
    shape.complain('does not begin or end at a sector');
  if (sizeBytes === 0) shape.complain('is empty');
  const integrity = isCrypt && shape.has('integrity') ? shape.object('integrity') : undefined;
  integrity?.string('journal_encryption');
  integrity?.string('journal_integrity');
  return [
    {
      id,
      type,
      offsetBytes,
      sizeBytes,
      encryption: isCrypt ? shape.string('encryption') : undefined,
      sectorBytes,
      integrity: integrity?.string('type'),
      flags: shape.has('flags') ? shape.strings('flags') : [],
    },
  ];
}

function readDigest({ id, shape }: Numbered): Digest {
  const [keyslots, segments] = [shape.references('keyslots'), shape.references('segments')];
  return { id, type: shape.string('type') ?? '', keyslots, segments };
}

function readToken({ id, shape }: Numbered): Token {
  return { id, type: shape.string('type') ?? '', keyslots: shape.references('keyslots') };
}

function readConfig(config: Shape | undefined, jsonBytes: number): Config | undefined {
  const [said, keyslotsBytes] = [config?.decimal('json_size'), config?.decimal('keyslots_size')];
  if (config === undefined || said === undefined || keyslotsBytes === undefined) return undefined;
  if (said !== jsonBytes)
    config.complain(`says the JSON area has ${said} bytes, and the binary header says ${jsonBytes}`);
  else if (!LUKS2_SIZES.includes(said + LUKS2_BINARY_BYTES))
    config.complain(`no JSON area has ${said} bytes`);
  if (keyslotsBytes > MAX_KEYSLOTS_BYTES || keyslotsBytes % KEYSLOTS_ALIGN_BYTES !== 0)
    config.complain(`keyslots cannot have ${keyslotsBytes} bytes`);
  const requirements = config.has('requirements') ? config.object('requirements') : undefined;
  return {
    jsonBytes: said,
    keyslotsBytes,
    flags: config.has('flags') ? config.strings('flags') : [],
    requirements: requirements?.has('mandatory') ? requirements.strings('mandatory') : [],
  };
}
