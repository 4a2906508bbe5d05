/** What the running kernel encrypts, the one that reads /proc/vmcore: its own mapping is the one that memory is read through. */

import { readText } from '../live/files.ts';
import { factsOfLog, readKernelLog } from '../live/log.ts';
import type { Encryption } from '../live/report.ts';

/**
 * By what the kernel said when it booted; where that cannot be read, on a machine that is no guest (whose memory is encrypted whatever
 * was asked for), by the last mem_encrypt= of its command line. Undefined: neither says. `root`: where /proc, /dev and /var are.
 */
export function captureEncryption(root = '/'): Encryption | undefined {
  const release = textOf(root, '/proc/sys/kernel/osrelease')?.trim();
  const { value } = factsOfLog(readKernelLog(root, release)).encryption;
  if (value !== undefined) return value;
  const cpu = textOf(root, '/proc/cpuinfo');
  if (cpu === undefined || /^flags\b.*\shypervisor(?:\s|$)/m.test(cpu)) return undefined;
  const asked = textOf(root, '/proc/cmdline')
    ?.match(/(?<=^|\s)mem_encrypt=(on|off)(?=\s|$)/g)
    ?.at(-1);
  if (asked === undefined) return undefined;
  return asked === 'mem_encrypt=on' ? 'SME' : 'none';
}

function textOf(root: string, path: string): string | undefined {
  const content = readText(root, path);
  return 'value' in content ? content.value : undefined;
}
