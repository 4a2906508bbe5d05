/** What `smelt luks` does, each thing with its report. */

import type { LockReport } from './keys/lock.ts';
import type { RegisterReport, UnregisterReport } from './keys/register.ts';
import type { ReuseReport } from './keys/reuse.ts';
import type { UnlockReport } from './keys/unlock.ts';
import type { LuksStatus } from './status.ts';

export { lock } from './keys/lock.ts';
export { register, unregister } from './keys/register.ts';
export { reuse } from './keys/reuse.ts';
export { unlock } from './keys/unlock.ts';
export { luksStatus as status } from './status.ts';

/** What was done to keys and volumes. */
export type LuksDone =
  | ({ readonly action: 'register' } & RegisterReport)
  | ({ readonly action: 'unregister' } & UnregisterReport)
  | ({ readonly action: 'reuse' } & ReuseReport)
  | ({ readonly action: 'unlock' } & UnlockReport)
  | ({ readonly action: 'lock' } & LockReport);

export type LuksReport = ({ readonly action: 'status' } & LuksStatus) | LuksDone;
