/** What the CPU of a running machine offers, and what its registers say is active. */

import { featuresOfSevStatus } from '../features.ts';
import { readAt, readText } from './files.ts';
import { CPU_FLAGS, type CpuFlag, type CpuReport, type Fact, known, unknown } from './report.ts';

const CPUINFO = '/proc/cpuinfo';
const MSR = '/dev/cpu/0/msr';
const CPUID = '/dev/cpu/0/cpuid';

/** Source: arch/x86/include/asm/msr-index.h, MSR_AMD64_SYSCFG and MSR_AMD64_SYSCFG_MEM_ENCRYPT. */
const MSR_SYSCFG = 0xc0010010;
const SYSCFG_MEM_ENCRYPT_BIT = 23n;
/** Source: arch/x86/include/asm/msr-index.h, MSR_AMD64_SEV. */
const MSR_SEV = 0xc0010131;
/** Source: AMD64 Architecture Programmer's Manual, volume 3, CPUID Fn8000_001F. */
const CPUID_ENCRYPTION = 0x8000001f;
const CPUID_LARGEST_EXTENDED = 0x80000000;

/** Hygon's CPUs are AMD's design, with the same registers. Source: arch/x86/kernel/cpu/hygon.c. */
const AMD_VENDORS = ['AuthenticAMD', 'HygonGenuine'];

export const isAmd = (vendor: Fact<string>): boolean | undefined =>
  vendor.value === undefined ? undefined : AMD_VENDORS.includes(vendor.value);

/** `hypervisor` is what the kernel log says. */
export function readCpu(root: string, hypervisor: Fact<string>): CpuReport {
  const content = readText(root, CPUINFO);
  const text = 'value' in content ? content.value : '';
  const isEmpty =
    text.trim() === '' ? `${CPUINFO} is empty (tar copies nothing of /proc, cat does)` : undefined;
  const why = 'value' in content ? (isEmpty ?? `${CPUINFO} does not say`) : content.reason;
  const field = (name: string): Fact<string> => {
    const value = new RegExp(`^${name}[ \\t]*:[ \\t]*(.*)$`, 'm').exec(text)?.[1].trim();
    return value === undefined || value === '' ? unknown(why) : known(value, CPUINFO);
  };
  const vendor = field('vendor_id');
  const all = field('flags');
  const words = all.value?.split(/\s+/);
  const flags =
    words === undefined
      ? unknown(all.source)
      : known(
          CPU_FLAGS.filter((f) => words.includes(f)),
          CPUINFO,
        );
  const amd = isAmd(vendor);
  const isGuest = guestOf(flags, hypervisor);
  const { cpuidSme, cBit } = readCpuid(root, amd);
  return {
    vendor,
    model: field('model name'),
    flags,
    isGuest,
    syscfgMemEncrypt: readSyscfg(root, amd, isGuest, flags),
    sevStatus: readSevStatus(root, amd),
    cpuidSme,
    cBit,
  };
}

function guestOf(flags: Fact<readonly CpuFlag[]>, hypervisor: Fact<string>): Fact<boolean> {
  if (hypervisor.value !== undefined) return known(true, `${hypervisor.value}, by ${hypervisor.source}`);
  if (flags.value === undefined) return unknown(flags.source);
  const isGuest = flags.value.includes('hypervisor');
  return known(isGuest, `${CPUINFO}, ${isGuest ? 'which has' : 'without'} the flag hypervisor`);
}

function readSyscfg(
  root: string,
  amd: boolean | undefined,
  isGuest: Fact<boolean>,
  flags: Fact<readonly CpuFlag[]>,
): Fact<boolean> {
  const register = readMsr(root, amd, MSR_SYSCFG);
  if (register.value !== undefined)
    return known(((register.value >> SYSCFG_MEM_ENCRYPT_BIT) & 1n) === 1n, register.source);
  // early_detect_mem_encrypt() of arch/x86/kernel/cpu/amd.c takes both flags away where the firmware has not set the bit.
  const shown = flags.value?.find((flag) => flag === 'sme' || flag === 'sev');
  if (isGuest.value === false && shown !== undefined)
    return known(true, `${CPUINFO}, whose flag ${shown} is there only then`);
  return unknown(register.source);
}

function readSevStatus(root: string, amd: boolean | undefined): CpuReport['sevStatus'] {
  const register = readMsr(root, amd, MSR_SEV);
  const { value } = register;
  if (value === undefined) return unknown(register.source);
  return known(featuresOfSevStatus(value), register.source);
}

/** The offset in the device is the number of the register. Source: msr(4). */
function readMsr(root: string, amd: boolean | undefined, register: number): Fact<bigint> {
  if (amd === false) return unknown('not an AMD CPU');
  const content = readAt(root, MSR, register, 8);
  const hint = 'reason' in content && content.absent ? ', needs `modprobe msr`' : '';
  if ('reason' in content) return unknown(`${content.reason}${hint}`);
  return known(content.value.readBigUInt64LE(0), `MSR 0x${register.toString(16)}, ${MSR}`);
}

function readCpuid(root: string, amd: boolean | undefined): Pick<CpuReport, 'cpuidSme' | 'cBit'> {
  const both = (fact: Fact<never>) => ({ cpuidSme: fact, cBit: fact });
  if (amd === false) return both(unknown('not an AMD CPU'));
  // The offset is the leaf, the bytes are EAX, EBX, ECX, EDX. Source: cpuid(4).
  const largest = readAt(root, CPUID, CPUID_LARGEST_EXTENDED, 16);
  if ('reason' in largest) {
    return both(unknown(`${largest.reason}${largest.absent ? ', needs `modprobe cpuid`' : ''}`));
  }
  // Of a leaf beyond the largest a CPU says something else, and something that looks plausible.
  if (largest.value.readUInt32LE(0) < CPUID_ENCRYPTION)
    return both(unknown(`${CPUID} has no leaf 0x${CPUID_ENCRYPTION.toString(16)}`));
  const leaf = readAt(root, CPUID, CPUID_ENCRYPTION, 16);
  if ('reason' in leaf) return both(unknown(leaf.reason));
  const eax = leaf.value.readUInt32LE(0);
  const source = `CPUID 0x${CPUID_ENCRYPTION.toString(16)}, ${CPUID}`;
  const encrypts = (eax & 0b11) !== 0;
  return {
    cpuidSme: known((eax & 1) === 1, source),
    cBit: encrypts
      ? known(leaf.value.readUInt32LE(4) & 0x3f, source)
      : unknown(`${source}: neither SME nor SEV`),
  };
}
