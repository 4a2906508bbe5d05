/** What a task was doing, in the two letters that crash has for it. */

/** Of `task_struct.__state` and `exit_state`. Source: include/linux/sched.h, v4.19 to v7.3. */
const TASK_INTERRUPTIBLE = 0x1;
const TASK_UNINTERRUPTIBLE = 0x2;
const TASK_NOLOAD = 0x400;
const LETTERS: readonly (readonly [bit: number, letters: string])[] = [
  [TASK_INTERRUPTIBLE, 'IN'],
  [TASK_UNINTERRUPTIBLE, 'UN'],
  [0x4, 'ST'],
  [0x8, 'TR'],
  [0x10, 'DE'],
  [0x20, 'ZO'],
  [0x40, 'PA'],
  [0x80, 'DE'],
  [0x100, 'WK'],
  [0x200, 'WA'],
  [0x800, 'NE'],
];

/** RU running or ready, IN and UN sleeping (interruptible or not), ID idle kernel thread, ST stopped, TR traced, ZO zombie, DE dead, PA parked, WA waking, NE new. */
export function stateLetters(state: number, exitState: number): string {
  const all = (state | exitState) >>> 0;
  if (all === 0) return 'RU';
  const idle = TASK_UNINTERRUPTIBLE | TASK_NOLOAD;
  // What ended has a state of its sleep too.
  if (exitState !== 0) return exitState & 0x20 ? 'ZO' : 'DE';
  if ((all & idle) === idle) return 'ID';
  return LETTERS.find(([bit]) => (all & bit) !== 0)?.[1] ?? '??';
}
