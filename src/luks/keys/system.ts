/** The machine that keys are handed over on: where its file systems and its commands are. */

import { SYSTEM_COMMAND_PATH } from '../run.ts';

export interface System {
  /** Below it are /proc, /sys and /dev: "/", or a directory that stands for a machine. */
  readonly root: string;
  /** Where configfs is mounted, below `root`. */
  readonly configfs: string;
  /** Directories with cryptsetup, keyctl, mount and umount, as in PATH. */
  readonly commandPath: string;
  /** Whose keys count. */
  readonly uid: number;
}

export const THIS_MACHINE: System = {
  root: '/',
  configfs: '/sys/kernel/config',
  commandPath: SYSTEM_COMMAND_PATH,
  uid: process.geteuid?.() ?? 0,
};
