/** What each keyslot takes to be opened, so that the crash kernel can begin with what it has memory for. */

import type { LuksHeader } from './report.ts';

export interface SlotCost {
  readonly slot: number;
  /** Of the KDF; 0 for PBKDF2. */
  readonly memoryBytes: number;
}

/** Active keyslots, but those that are only opened when asked for by number: first what takes the least memory. */
export function slotsByCost({ keyslots }: LuksHeader): SlotCost[] {
  const costs = keyslots.flatMap(({ id, active, priority, kdf }) =>
    active && priority !== 'ignore' && kdf !== undefined
      ? [{ slot: id, memoryBytes: (kdf.memoryKib ?? 0) * 1024 }]
      : [],
  );
  return costs.sort((a, b) => a.memoryBytes - b.memoryBytes || a.slot - b.slot);
}
