/** Machines to look at: a recorded or composed tree of test/sme/live/trees, with changes. */
import {
  closeSync,
  cpSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import fc from 'fast-check';
import { planElfCore } from '../../build/elf.ts';
import { vmcoreinfoNote } from '../../build/notes.ts';
import type { TempFiles } from '../../read/temp-files.ts';

const TREES = resolve(import.meta.dirname, 'trees');

/** What stands at a path instead: text, bytes, text made from what stood there; null: nothing. */
export type Change = string | Uint8Array | ((before: string) => string) | null;

/** A copy of the tree with the changes; without a name an empty one. */
export function machine(
  files: TempFiles,
  tree: string | undefined,
  changes: Readonly<Record<string, Change>> = {},
): string {
  const root = files.path(tree ?? 'nothing');
  mkdirSync(root, { recursive: true });
  if (tree !== undefined) cpSync(join(TREES, tree), root, { recursive: true, verbatimSymlinks: true });
  for (const [path, change] of Object.entries(changes)) {
    const at = join(root, path);
    const content = typeof change === 'function' ? change(readFileSync(at, 'utf8')) : change;
    rmSync(at, { force: true });
    if (content === null) continue;
    mkdirSync(dirname(at), { recursive: true });
    writeFileSync(at, content);
  }
  return root;
}

/** /dev/cpu/0/msr or cpuid: at each number the bytes of the register. */
export function withRegisters(
  root: string,
  device: 'msr' | 'cpuid',
  registers: Readonly<Record<number, Uint8Array>>,
): string {
  const path = join(root, 'dev/cpu/0', device);
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, 'w');
  for (const [number, bytes] of Object.entries(registers))
    writeSync(fd, bytes, 0, bytes.length, Number(number));
  closeSync(fd);
  return root;
}

/** A 64-bit register. */
export function u64(value: bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

/** EAX, EBX, ECX, EDX. */
export function leaf(eax: number, ebx = 0, ecx = 0, edx = 0): Uint8Array {
  const bytes = Buffer.alloc(16);
  [eax, ebx, ecx, edx].forEach((value, i) => {
    bytes.writeUInt32LE(value, 4 * i);
  });
  return bytes;
}

/** /proc/kcore with this VMCOREINFO: a segment far away, as the real one has them, of which nothing is there. */
export function withKcore(root: string, vmcoreinfo: string): string {
  const plan = planElfCore({
    notes: vmcoreinfoNote(vmcoreinfo),
    loads: [{ paddr: 0x100000, vaddr: 0xffff888000100000n, memsz: 0x40000000 }],
  });
  const path = join(root, 'proc/kcore');
  mkdirSync(dirname(path), { recursive: true });
  const fd = openSync(path, 'w');
  writeSync(fd, plan.headers);
  ftruncateSync(fd, plan.size);
  closeSync(fd);
  return root;
}

const PATHS = [
  'proc/cpuinfo',
  'proc/cmdline',
  'proc/meminfo',
  'proc/iomem',
  'proc/kcore',
  'proc/config.gz',
  'proc/sys/kernel/osrelease',
  'sys/kernel/kexec_crash_loaded',
  'sys/kernel/kexec_crash_size',
  'var/log/dmesg',
  'var/log/kern.log',
  'etc/os-release',
  'etc/sysconfig/kdump',
  'etc/default/kdump-tools',
  'var/lib/kdump/kernel-version',
  'boot/config-6.1.0',
  'dev/cpu/0/msr',
  'dev/cpu/0/cpuid',
];

/** Pieces of what such files say, in any order and any place, among bytes that mean nothing. */
const SAYINGS = [
  ...[
    'vendor_id\t: AuthenticAMD\n',
    'flags\t\t: sme sev hypervisor\n',
    'model name\t: \x1b[2J\u202ehostile\n',
  ],
  ...['6.1.0\n', '../../..\n', '0\n', '1\n', '99999999999999999999\n', '-1\n', 'MemTotal: 1 kB\n'],
  ...[
    '00000000-ffffffffffffffff : Crash kernel\n',
    '10-20 : System RAM\n',
    ' mem_encrypt=on ',
    'crashkernel=9999999999G',
  ],
  ...[
    '[    0.000000] Linux version 6.1.0 (gcc)\n',
    '[    0.3] Memory Encryption Features active: AMD SEV SEV-SNP\n',
  ],
  ...[
    '[    0.0] Hypervisor detected: ',
    'KDUMP_COMMANDLINE_APPEND="',
    'KDUMP_KERNELVER=',
    'KDUMP_KERNEL=/etc/x\n',
  ],
  ...[
    '"',
    '\n',
    '\\',
    '$(reboot)',
    'CONFIG_AMD_MEM_ENCRYPT=y\n',
    'CONFIG_KEXEC_CORE=y\n',
    'ID_LIKE="suse"\n',
    '\0\0\0\0',
  ],
  ...['\x7fELF\x02\x01\x01', 'KDUMP   ', `${'x'.repeat(300)} `],
];

const garbage = fc.oneof(
  fc
    .array(fc.oneof(fc.constantFrom(...SAYINGS), fc.string({ maxLength: 8 })), { maxLength: 12 })
    .map((all) => all.join('')),
  fc.uint8Array({ maxLength: 600 }),
);

/** Any of the files that are looked at, with anything in it. */
export const garbageEverywhere: fc.Arbitrary<Record<string, Change>> = fc.dictionary(
  fc.constantFrom(...PATHS),
  garbage,
  { minKeys: 4, maxKeys: PATHS.length, noNullPrototype: true },
);
