/** Whether a device-mapper device encrypts, and how: by the dm table, else by its dm uuid and the LUKS header below it. */

import { readLuksHeader } from '../header/header.ts';
import { isBackup, type LuksHeader, type NotLuks } from '../header/report.ts';
import type { BlockDevice } from './block.ts';
import { type DmKind, isNullCipher } from './crypt-kind.ts';
import type { CryptTarget, CryptTargets } from './dm-table.ts';
import type { CryptLayer, Layer } from './report.ts';

/** dm-integrity may lie between dm-crypt and the device with the header. */
const MAX_HEADER_PLACES = 4;
const SECTOR_BYTES = 512;

type Crypt = Pick<Layer, 'encrypts' | 'problem' | 'crypt'>;

/** `targets` of all of device-mapper, where its tables could be read. */
export function cryptOf(
  root: string,
  { dm, sizeBytes }: BlockDevice,
  kind: DmKind,
  below: readonly Layer[],
  targets: CryptTargets | undefined,
): Crypt {
  const own = targets?.get(dm!.name);
  const crypt = kind.crypt ?? (own && 'dm-crypt');
  if (crypt === undefined) {
    if (kind.encrypts === false || targets !== undefined) return { encrypts: 'no' };
    return {
      encrypts: 'unknown',
      problem: `what ${dm!.name} does says only its dm table, which cannot be read`,
    };
  }
  const header = kind.uuid === undefined ? undefined : findHeader(root, below, kind.uuid);
  const layer = {
    kind: crypt,
    uuid: kind.uuid,
    encryption: own?.[0].encryption ?? encryptionOf(header),
    key: own?.[0].key,
    header,
  };
  // With OPAL alone the table says nothing of encryption, as that is the drive's.
  if (crypt === 'LUKS2 with OPAL') return { encrypts: 'yes', crypt: layer };
  const said =
    targets === undefined ? byHeader(dm!.name, layer) : byTable({ name: dm!.name, header }, own, sizeBytes);
  return { ...said, crypt: layer };
}

const nullCipher = (name: string): Crypt => ({
  encrypts: 'no',
  problem: `the cipher of ${name} is cipher_null, which leaves everything as it is`,
});

/** What is sure: what the kernel does now. */
function byTable(
  { name, header }: { readonly name: string; readonly header: CryptLayer['header'] },
  own: readonly CryptTarget[] | undefined,
  sizeBytes: number | undefined,
): Crypt {
  if (own === undefined)
    return { encrypts: 'no', problem: `the dm table of ${name} encrypts nothing${reason(header)}` };
  if (own.some(({ encryption }) => isNullCipher(encryption))) return nullCipher(name);
  const coveredBytes = own.reduce((sum, { sectors }) => sum + sectors * SECTOR_BYTES, 0);
  if (coveredBytes === sizeBytes) return { encrypts: 'yes' };
  return { encrypts: 'unknown', problem: `the crypt targets of ${name} do not cover all of it` };
}

/** A LUKS2 device keeps its name while its encryption is only prepared, or taken away. */
function reason(header: CryptLayer['header']): string {
  const requirements =
    header === undefined || 'notLuks' in header || header.version === 1 ? [] : header.config?.requirements;
  return requirements?.some((each) => each.startsWith('online-reencrypt'))
    ? ': it is in the middle of a reencryption'
    : '';
}

/** Without the table: an open LUKS device does what its header says. Of other kinds nothing is known: it may be cipher_null. */
function byHeader(name: string, { kind, header }: CryptLayer): Crypt {
  if (header === undefined || 'notLuks' in header) {
    const why = header === undefined ? '' : `: ${header.notLuks}`;
    const where = kind.startsWith('LUKS')
      ? `its dm table or its LUKS header, and neither can be read${why}`
      : 'only its dm table, which cannot be read (dmsetup reads it)';
    return { encrypts: 'unknown', problem: `whether all of ${name} is encrypted says ${where}` };
  }
  const ciphers =
    header.version === 1 ? [header.encryption] : header.segments.flatMap((each) => each.encryption ?? []);
  if (ciphers.some(isNullCipher)) return nullCipher(name);
  const isWhole =
    header.version === 1 ||
    (header.used !== undefined &&
      header.segments.every((each) => isBackup(each) || each.encryption !== undefined));
  return isWhole
    ? { encrypts: 'yes' }
    : { encrypts: 'unknown', problem: `the LUKS header says that not all of ${name} is encrypted` };
}

function encryptionOf(header: LuksHeader | NotLuks | undefined): string | undefined {
  if (header === undefined || 'notLuks' in header) return undefined;
  return header.version === 1
    ? header.encryption
    : header.segments.find((each) => !isBackup(each))?.encryption;
}

/** On the nearest device below that has a LUKS header with this UUID. */
function findHeader(root: string, below: readonly Layer[], uuid: string): LuksHeader | NotLuks {
  const places = [...below];
  let first: NotLuks | undefined;
  for (let i = 0; i < places.length && i < MAX_HEADER_PLACES; i++) {
    const { device, below: further } = places[i];
    places.push(...further.slice(0, MAX_HEADER_PLACES));
    if (device === undefined) continue;
    const header = readLuksHeader(device, root);
    if (!('notLuks' in header) && header.uuid.toLowerCase() === uuid) return header;
    first ??= 'notLuks' in header ? header : { notLuks: `the LUKS header of ${device} has another UUID` };
  }
  return first ?? { notLuks: 'no device is known to lie below' };
}
