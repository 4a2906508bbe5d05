/** What of a running machine's memory is encrypted: of all that tells it, the surest that can be read decides. */

import { join } from 'node:path';
import { SmeltError } from '../../errors.ts';
import { Vmcoreinfo, vmcoreinfoFromNotes } from '../../kernel/vmcoreinfo.ts';
import { parseNotes } from '../../read/notes.ts';
import { closeDump, openDump } from '../../read/open.ts';
import { chooseMask } from '../mask.ts';
import { maskBit } from '../mask-bits.ts';
import { isAmd } from './cpu.ts';
import { readText } from './files.ts';
import { isSince, memEncryptOf, readConfig } from './kernel.ts';
import type { LogFacts } from './log.ts';
import {
  type CpuReport,
  type Encryption,
  type Fact,
  type FirstKernelReport,
  known,
  unknown,
} from './report.ts';

const KCORE = '/proc/kcore';

export function readFirstKernel(
  root: string,
  release: Fact<string>,
  cpu: CpuReport,
  log: LogFacts,
): { kernel: FirstKernelReport; maskBit: Fact<number> } {
  const path = '/proc/cmdline';
  const content = readText(root, path);
  const commandLine = 'value' in content ? known(content.value.trim(), path) : unknown(content.reason);
  const memEncrypt = memEncryptOf(commandLine, readConfig(root, release, release), release);
  const mask = readSmeMask(root);
  const kernel = {
    release,
    commandLine,
    memEncrypt,
    smeMask:
      mask.value === undefined ? unknown(mask.source) : known(`0x${mask.value.toString(16)}`, mask.source),
    logLine: log.line,
    encryption: encryptionOf(cpu, log, mask, memEncrypt, release),
  };
  return { kernel, maskBit: mask.value ? known(maskBit(mask.value), mask.source) : unknown(mask.source) };
}

/**
 * What the kernel would say of itself in a dump: /proc/kcore has its VMCOREINFO since Linux commit 23c85094fe18 ("proc/kcore: add
 * vmcoreinfo note to /proc/kcore"), v4.19. No memory is read, only the notes.
 */
function readSmeMask(root: string): Fact<bigint> {
  try {
    const file = openDump(join(root, KCORE));
    closeDump(file);
    const text = vmcoreinfoFromNotes(parseNotes(file.notes, file.littleEndian));
    const exported = text === undefined ? undefined : new Vmcoreinfo(text).number('sme_mask');
    if (exported === undefined) return unknown(`${KCORE} has no NUMBER(sme_mask)`);
    const { mask, warning } = chooseMask(exported, undefined);
    return warning === undefined || mask !== 0n
      ? known(mask, `NUMBER(sme_mask) of ${KCORE}`)
      : unknown(warning);
  } catch (error) {
    if (!(error instanceof SmeltError)) throw error;
    return unknown(error.message);
  }
}

function encryptionOf(
  cpu: CpuReport,
  log: LogFacts,
  mask: Fact<bigint>,
  memEncrypt: FirstKernelReport['memEncrypt'],
  release: Fact<string>,
): Fact<Encryption> {
  if (cpu.flags.value?.includes('tdx_guest')) return known('TDX', '/proc/cpuinfo');
  if (log.encryption.value !== undefined && log.encryption.value !== 'none') return log.encryption;
  const kind = cpu.sevStatus.value?.at(-1);
  if (kind !== undefined) return known(kind, cpu.sevStatus.source);
  if (mask.value === 0n) return known('none', mask.source);
  if (mask.value !== undefined) return hostOrGuest(cpu, mask.source);
  if (log.encryption.value !== undefined) return log.encryption;
  return byWhatIsThere(cpu, memEncrypt, release);
}

/** Of a kernel that encrypts: a guest can only have SEV, as sme_enable() leaves SME off where there is a hypervisor. */
function hostOrGuest({ isGuest, sevStatus }: CpuReport, source: string): Fact<Encryption> {
  if (isGuest.value === false || sevStatus.value !== undefined) return known('SME', source);
  return isGuest.value ? known('SEV of unknown kind', source) : unknown(isGuest.source);
}

/** Neither the kernel's word nor its log: what the CPU has, and what was asked for. */
function byWhatIsThere(
  cpu: CpuReport,
  memEncrypt: FirstKernelReport['memEncrypt'],
  release: Fact<string>,
): Fact<Encryption> {
  const { vendor, flags, isGuest, syscfgMemEncrypt } = cpu;
  const amd = isAmd(vendor);
  if (amd === undefined) return unknown(vendor.source);
  if (!amd) return known('none', `${vendor.source}: a CPU of ${vendor.value}, without the flag tdx_guest`);
  if (isGuest.value !== false) {
    return unknown('whether this is a SEV guest says only the kernel log, /proc/kcore or the MSR 0xc0010131');
  }
  if (syscfgMemEncrypt.value === false)
    return known('none', `bit 23 of SYSCFG is 0: ${syscfgMemEncrypt.source}`);
  // Linux commit 08f253ec3767 ("x86/cpu: Clear SME feature flag when not in use"), v5.18: before, the flag meant nothing.
  if (flags.value !== undefined && isSince(release, [5, 18]) === true) {
    const has = flags.value.includes('sme');
    return known(has ? 'SME' : 'none', `${flags.source}, ${has ? 'which has' : 'without'} the flag sme`);
  }
  if (memEncrypt.value === 'off') return known('none', memEncrypt.source);
  if (memEncrypt.value === 'on' && syscfgMemEncrypt.value) return known('SME', memEncrypt.source);
  return unknown(memEncrypt.value === 'on' ? syscfgMemEncrypt.source : memEncrypt.source);
}
