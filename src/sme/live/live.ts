/** Whether a running machine would leave a dump that can be read, if it crashed now. */

import { isAmd, readCpu } from './cpu.ts';
import { readFirstKernel } from './encryption.ts';
import { readKdump } from './kdump.ts';
import { isSince, readRelease } from './kernel.ts';
import { factsOfLog, readKernelLog } from './log.ts';
import { readMemory } from './memory.ts';
import { assess } from './problems.ts';
import { type CpuReport, type FirstKernelReport, isEncrypted, type LiveReport } from './report.ts';
import { matrixRow } from './row.ts';

/**
 * Looks at the machine whose file system is below `root`: "/", or a directory with copies of its /proc, /sys, /dev, /etc, /boot and
 * /var/log. Reads only, and runs nothing. What cannot be read is reported as not known; nothing that a file says makes it throw.
 */
export function lookAtMachine(root: string): LiveReport {
  const release = readRelease(root);
  const log = factsOfLog(readKernelLog(root, release.value));
  const cpu = readCpu(root, log.hypervisor);
  const { kernel, maskBit } = readFirstKernel(root, release, cpu, log);
  const kdump = readKdump(root, release, kernel.commandLine);
  const memory = readMemory(root, kernel.commandLine, kdump.tools, kernel.encryption);
  const row = matrixRow(cpu, kernel, kdump);
  return {
    cpu: { ...cpu, cBit: maskBit.value === undefined ? cpu.cBit : maskBit },
    kernel,
    kdump,
    memory,
    row,
    ...assess(kernel, kdump, memory, row),
    notes: notesOn(cpu, kernel),
  };
}

function notesOn(cpu: CpuReport, { encryption, memEncrypt, release }: FirstKernelReport): string[] {
  const notes: string[] = [];
  if (encryption.value === 'none' && memEncrypt.value === 'on')
    notes.push(`memory is not encrypted, although it was asked for: ${memEncrypt.source}`);
  if (isEncrypted(encryption))
    notes.push('untested on hardware: this is what the source of Linux and its documentation say');
  // Linux commit d2062cc1b1c3 ("x86/sev: Do not touch VMSA pages during SNP guest memory kdump"), v6.15.
  if (encryption.value === 'SEV-SNP' && isSince(release, [6, 15]) !== true)
    notes.push('before Linux 6.15 or its stable updates, dumping an SNP guest may read a page that hangs it');
  if (encryption.value === 'none' && isAmd(cpu.vendor) && cpu.isGuest.value === false)
    notes.push(
      'encryption by the firmware alone (TSME) cannot be seen from here, and does not hinder a dump',
    );
  return notes;
}
