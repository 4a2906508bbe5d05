/** The support matrix: what a crash kernel can read of the first kernel's memory. */

import { isAmd } from './cpu.ts';
import { isSince } from './kernel.ts';
import type { CpuReport, Encryption, FirstKernelReport, KdumpReport, MatrixRow } from './report.ts';

/**
 * Since when a crash kernel reads such memory. Linux commits 992b649a3f01 ("kdump, proc/vmcore: Enable kdumping encrypted memory
 * with SME enabled"), v4.20; 4eb5fec31e61 ("fs/proc/vmcore: Enable dumping of encrypted memory when SEV was active"), v5.4;
 * 3074152e56c9 ("x86/sev: Convert shared memory back to private on kexec"), v6.13; 859e63b789d6 ("x86/tdx: Convert shared memory
 * back to private on kexec"), v6.11.
 */
const SINCE = { SME: [4, 20], SEV: [5, 4], 'SEV-SNP': [6, 13], TDX: [6, 11] } as const;
type Dumpable = keyof typeof SINCE;

/** Why of other guests nobody can say. */
const UNDECIDED = {
  // "x86/sev: KEXEC/KDUMP support for SEV-ES guests", https://lore.kernel.org/all/20240610102113.20969-1-vsntk18@gmail.com/
  'SEV-ES':
    'Linux was not made for kexec in SEV-ES guests, and patches for it (v6 of June 2024) may not be in this one',
  'SEV of unknown kind':
    'this is a SEV guest, and what its kernel needs depends on whether it has SEV-ES or SEV-SNP',
} as const satisfies Partial<Record<Encryption, string>>;

export function matrixRow(cpu: CpuReport, kernel: FirstKernelReport, kdump: KdumpReport): MatrixRow {
  const { encryption } = kernel;
  switch (encryption.value) {
    case undefined:
      return {
        first: undefined,
        kdump: kdump.memEncrypt.value,
        readable: undefined,
        why: `whether this kernel encrypts memory is not known: ${encryption.source}`,
      };
    case 'none':
      return notEncrypted(cpu, kernel, kdump);
    case 'SME':
      return withSme(kernel, kdump);
    case 'SEV-ES':
    case 'SEV of unknown kind':
      return { first: 'on', kdump: 'on', readable: undefined, why: UNDECIDED[encryption.value] };
    default: {
      // A guest's memory is encrypted whatever mem_encrypt= says, in both kernels.
      const fine = `a ${encryption.value} guest's crash kernel sees memory as the guest does`;
      return { first: 'on', kdump: 'on', ...bySupport(encryption.value, kernel, kdump, fine) };
    }
  }
}

/** Whether a kernel that is told to could turn SME on here: sme_enable() wants AMD, no hypervisor, and bit 23 of SYSCFG. */
function canEncrypt({ vendor, isGuest, syscfgMemEncrypt, cpuidSme }: CpuReport): boolean | undefined {
  const no = [isAmd(vendor), isGuest.value === undefined ? undefined : !isGuest.value, cpuidSme.value];
  if ([...no, syscfgMemEncrypt.value].includes(false)) return false;
  return isAmd(vendor) && isGuest.value === false && syscfgMemEncrypt.value ? true : undefined;
}

function notEncrypted(
  cpu: CpuReport,
  kernel: FirstKernelReport,
  { memEncrypt, release }: KdumpReport,
): MatrixRow {
  // Where this kernel was told to and could not, the same kernel cannot a second time.
  const hasFailed = kernel.memEncrypt.value === 'on' && release.value === kernel.release.value;
  const can = hasFailed ? false : canEncrypt(cpu);
  if (can === false)
    return {
      first: 'off',
      kdump: 'off',
      readable: true,
      why: 'memory is not encrypted, and no kernel can encrypt it here',
    };
  const row = { first: 'off', kdump: memEncrypt.value } as const;
  if (memEncrypt.value === 'off')
    return { ...row, readable: true, why: 'neither this kernel nor the crash kernel encrypts memory' };
  if (memEncrypt.value === undefined) {
    const why = `whether the crash kernel would take plain memory for encrypted is not known: ${memEncrypt.source}`;
    return { ...row, readable: undefined, why };
  }
  const noise = 'the crash kernel would decrypt memory that is not encrypted, and read only noise';
  if (can) return { ...row, readable: false, why: noise };
  return {
    ...row,
    readable: undefined,
    why: `${noise}, if the firmware lets it: ${cpu.syscfgMemEncrypt.source}`,
  };
}

function withSme(kernel: FirstKernelReport, kdump: KdumpReport): MatrixRow {
  const row = { first: 'on', kdump: kdump.memEncrypt.value } as const;
  if (row.kdump === 'off')
    return {
      ...row,
      readable: false,
      why: 'the crash kernel would not decrypt memory, and read only ciphertext',
    };
  if (row.kdump === undefined) {
    const why = `whether the crash kernel decrypts memory is not known: ${kdump.memEncrypt.source}`;
    return { ...row, readable: undefined, why };
  }
  return {
    ...row,
    ...bySupport('SME', kernel, kdump, 'both this kernel and the crash kernel encrypt memory'),
  };
}

/** Both kernels have their part in it. Of a crash kernel that is not known it is taken that it is this one. */
function bySupport(
  kind: Dumpable,
  { release }: FirstKernelReport,
  kdump: KdumpReport,
  fine: string,
): Pick<MatrixRow, 'readable' | 'why'> {
  const since = SINCE[kind];
  const releases = kdump.release.value === undefined ? [release] : [release, kdump.release];
  const [old] = releases.filter((each) => isSince(each, since) === false);
  if (old !== undefined)
    return {
      readable: false,
      why: `dumping with ${kind} came with Linux ${since.join('.')}, and this is ${old.value}`,
    };
  const [vague] = releases.filter((each) => isSince(each, since) === undefined);
  if (vague === undefined) return { readable: true, why: fine };
  return {
    readable: undefined,
    why: `dumping with ${kind} came with Linux ${since.join('.')}; whether ${vague.value ?? 'this one'} has it is not known`,
  };
}
