/** How much memory is reserved for the crash kernel, and how much should be. */

import { readText } from './files.ts';
import { lastOption } from './kernel.ts';
import {
  type Encryption,
  type Fact,
  isEncrypted,
  type KdumpTools,
  known,
  type MemoryReport,
  unknown,
} from './report.ts';

const IOMEM = '/proc/iomem';
const MEMINFO = '/proc/meminfo';
const CRASH_SIZE = '/sys/kernel/kexec_crash_size';
const MIB = 1024 * 1024;

/**
 * What distributions reserve on x86_64, as crashkernel= has it. Source: kdump_get_arch_recommend_crashkernel() of kdump-utils
 * 1.0.61; /etc/default/grub.d/kdump-tools.cfg of Debian's kdump-tools 1.8.1. Ubuntu's depends on the release, SUSE's on the machine.
 */
const FEDORA_DEFAULT = '2G-64G:256M,64G-:512M';
const DEBIAN_DEFAULT = '384M-:128M';
const RULE_OF_THUMB_BYTES = 256 * MIB;
/**
 * DMA of an encrypted machine goes through swiotlb, 64 MiB in the crash kernel. kdump-utils adds it too, but does not see
 * SEV-ES and SEV-SNP: is_sme_or_sev_active() of kdump-lib.sh looks for a line that ends in "AMD SME" or "AMD SEV".
 */
const ENCRYPTED_BYTES = 64 * MIB;

export function readMemory(
  root: string,
  commandLine: Fact<string>,
  tools: Fact<KdumpTools>,
  encryption: Fact<Encryption>,
): MemoryReport {
  const iomem = readText(root, IOMEM);
  const regions = 'value' in iomem ? parseIomem(iomem.value) : [];
  const ramBytes = readRam(root, regions);
  const table = defaultTable(root, tools);
  const byDefault =
    ramBytes.value === undefined || table === undefined ? undefined : sizeFor(table, ramBytes.value);
  const base =
    byDefault === undefined
      ? known(RULE_OF_THUMB_BYTES, 'rule of thumb: 256 MiB')
      : known(byDefault, `the default of ${tools.value}, ${table}`);
  return {
    ramBytes,
    crashkernel: crashkernelOf(commandLine),
    reservedBytes: readReserved(root, regions),
    wantedBytes: isEncrypted(encryption)
      ? known(base.value! + ENCRYPTED_BYTES, `${base.source}, and 64 MiB for encrypted memory`)
      : base,
    isRuleOfThumb: byDefault === undefined,
  };
}

function defaultTable(root: string, tools: Fact<KdumpTools>): string | undefined {
  if (tools.value === 'kdump-utils') return FEDORA_DEFAULT;
  if (tools.value !== 'kdump-tools') return undefined;
  const os = readText(root, '/etc/os-release');
  return 'value' in os && /^ID=debian$/m.test(os.value) ? DEBIAN_DEFAULT : undefined;
}

function crashkernelOf(commandLine: Fact<string>): Fact<string> {
  if (commandLine.value === undefined) return unknown(commandLine.source);
  const value = lastOption(commandLine.value, 'crashkernel');
  return value === undefined
    ? unknown(`no crashkernel= in ${commandLine.source}`)
    : known(value, commandLine.source);
}

interface Region {
  readonly name: string;
  readonly sizeBytes: number;
}

/** For those who may not know addresses all of them are 0: such lines say nothing. */
function parseIomem(text: string): Region[] {
  const regions: Region[] = [];
  for (const [, start, end, name] of text.matchAll(/^ *([0-9a-f]{1,16})-([0-9a-f]{1,16}) : (.+)$/gm)) {
    const sizeBytes = Number.parseInt(end, 16) - Number.parseInt(start, 16) + 1;
    if (sizeBytes > 1) regions.push({ name, sizeBytes });
  }
  return regions;
}

const sumOf = (regions: readonly Region[], name: string): number =>
  regions.filter((region) => region.name === name).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);

/** As crashkernel= counts it: all RAM, not only what the kernel has left over for programs. */
function readRam(root: string, regions: readonly Region[]): Fact<number> {
  const bytes = sumOf(regions, 'System RAM');
  // Rounded up for what the firmware keeps to itself, as in parse_crashkernel_mem() of kernel/crash_core.c.
  if (bytes > 0) return known(Math.ceil(bytes / (128 * MIB)) * 128 * MIB, IOMEM);
  const content = readText(root, MEMINFO);
  if ('reason' in content) return unknown(content.reason);
  const kib = /^MemTotal:\s*(\d{1,12}) kB$/m.exec(content.value)?.[1];
  return kib === undefined ? unknown(`${MEMINFO} has no MemTotal`) : known(Number(kib) * 1024, MEMINFO);
}

/** kexec_crash_size may leave out the part below 4 GiB that crashkernel=…,high comes with; /proc/iomem has both. */
function readReserved(root: string, regions: readonly Region[]): Fact<number> {
  const bytes = sumOf(regions, 'Crash kernel');
  if (bytes > 0) return known(bytes, IOMEM);
  const content = readText(root, CRASH_SIZE);
  if ('reason' in content) return unknown(content.reason);
  const digits = /^(\d{1,15})\s*$/.exec(content.value)?.[1];
  return digits === undefined ? unknown(`${CRASH_SIZE} is no number`) : known(Number(digits), CRASH_SIZE);
}

const UNIT_BYTES: Readonly<Record<string, number>> = { M: MIB, G: 1024 * MIB };

/** "2G-64G:256M,64G-:512M": the size for a machine of `ramBytes`; undefined for one that is in no range. */
function sizeFor(table: string, ramBytes: number): number | undefined {
  for (const [, from, fromUnit, to, toUnit, size] of table.matchAll(/(\d+)([MG])-(?:(\d+)([MG]))?:(\d+)M/g)) {
    const end = to === undefined ? Number.POSITIVE_INFINITY : Number(to) * UNIT_BYTES[toUnit];
    if (ramBytes >= Number(from) * UNIT_BYTES[fromUnit] && ramBytes < end) return Number(size) * MIB;
  }
  return undefined;
}
