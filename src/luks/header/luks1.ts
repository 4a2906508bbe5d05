/** A LUKS1 header. Source: LUKS On-Disk Format Specification 1.2.3; what is refused is what LUKS_check_keyslots() of cryptsetup refuses. */

import {
  LUKS1_BYTES,
  LUKS1_DISABLED,
  LUKS1_ENABLED,
  LUKS1_SLOTS,
  LUKS1_STRIPES,
  Luks1Phdr,
  Luks1Slot,
  SECTOR_BYTES,
} from './layout.ts';
import type { Keyslot, Luks1Header } from './report.ts';

/** `bytes` begins with the magic; all of the header or less. */
export function parseLuks1(bytes: Uint8Array): Luks1Header | string {
  if (bytes.length < LUKS1_BYTES) return 'the LUKS1 header is cut short';
  const header = Luks1Phdr.read(bytes, 0, false);
  const slots = Array.from({ length: LUKS1_SLOTS }, (_, i) =>
    Luks1Slot.read(bytes, Luks1Phdr.size + i * Luks1Slot.size, false),
  );
  const encryption = `${header.cipherName}-${header.cipherMode}`;
  const keyslots = slots.map(
    (slot, id): Keyslot => ({
      id,
      active: slot.active === LUKS1_ENABLED,
      type: 'luks1',
      priority: 'normal',
      kdf: { type: 'pbkdf2', hash: header.hashSpec, iterations: slot.passwordIterations },
      keyBytes: header.keyBytes,
      areaEncryption: encryption,
      stripes: slot.stripes,
    }),
  );
  return {
    version: 1,
    uuid: header.uuid,
    encryption,
    hash: header.hashSpec,
    keyBytes: header.keyBytes,
    payloadOffsetBytes: header.payloadOffset * SECTOR_BYTES,
    keyslots,
    unlockMemoryBytes: keyslots.some(({ active }) => active) ? 0 : undefined,
    broken: problemsOf(header, slots),
  };
}

type Phdr = ReturnType<typeof Luks1Phdr.read>;
type Slot = ReturnType<typeof Luks1Slot.read>;

function problemsOf({ keyBytes, payloadOffset }: Phdr, slots: readonly Slot[]): string[] {
  const problems: string[] = [];
  if (keyBytes === 0) problems.push('the key has no bytes');
  // Source: AF_split_sectors() of af.c.
  const areaSectors = Math.ceil((keyBytes * LUKS1_STRIPES) / SECTOR_BYTES);
  slots.forEach(({ active, stripes, keyMaterialOffset: start }, id) => {
    if (active !== LUKS1_ENABLED && active !== LUKS1_DISABLED)
      problems.push(`keyslot ${id} is neither active nor inactive: 0x${active.toString(16)}`);
    if (stripes !== LUKS1_STRIPES)
      problems.push(`keyslot ${id} has ${stripes} stripes, not ${LUKS1_STRIPES}`);
    // In a detached header the data begin at 0.
    const isInside = payloadOffset === 0 || start + areaSectors <= payloadOffset;
    // struct luks_phdr is padded to two sectors.
    if (start < 2 || !isInside) problems.push(`the area of keyslot ${id} is not where keyslots are`);
  });
  const sorted = slots
    .map(({ keyMaterialOffset: start }, id) => ({ id, start }))
    .sort((a, b) => a.start - b.start);
  sorted.forEach(({ id, start }, index) => {
    if (index > 0 && start < sorted[index - 1].start + areaSectors)
      problems.push(`the areas of keyslots ${sorted[index - 1].id} and ${id} overlap`);
  });
  return problems;
}
