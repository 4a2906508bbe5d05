/** What a kernel will do with mem_encrypt=, by its command line, its configuration and its version. */

import { gunzipSync } from 'node:zlib';
import { readText, readWhole } from './files.ts';
import { type Fact, known, type MemEncrypt, unknown } from './report.ts';

/** Release strings become parts of paths. */
const PLAIN_RELEASE = /^[A-Za-z0-9][\w.+~-]{0,63}$/;
const MAX_CONFIG_BYTES = 4 * 1024 * 1024;

/**
 * The value of an option; of several the last one. Blanks separate, whatever is quoted, as in __cmdline_find_option()
 * of arch/x86/lib/cmdline.c, which reads mem_encrypt= long before there is a better parser.
 */
export function lastOption(commandLine: string, name: string): string | undefined {
  return commandLine
    .split(/\s+/)
    .findLast((word) => word.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}

export function readRelease(root: string): Fact<string> {
  const path = '/proc/sys/kernel/osrelease';
  const content = readText(root, path);
  if ('reason' in content) return unknown(content.reason);
  const release = content.value.trim();
  return isRelease(release) ? known(release, path) : unknown(`${path} does not look like a release`);
}

export const isRelease = (text: string): boolean => PLAIN_RELEASE.test(text);

/** A kernel's build options that are set: CONFIG_X=y, without CONFIG_. */
export type KernelConfig = Fact<ReadonlySet<string>>;

/** The configuration of a kernel that is installed, or that runs. */
export function readConfig(root: string, release: Fact<string>, running: Fact<string>): KernelConfig {
  if (release.value === undefined) return unknown(release.source);
  for (const path of [`/boot/config-${release.value}`, `/lib/modules/${release.value}/config`]) {
    const content = readText(root, path);
    if ('value' in content) return parseConfig(content.value, path);
  }
  const own = '/proc/config.gz';
  if (release.value !== running.value) return unknown(`no configuration of Linux ${release.value} in /boot`);
  const packed = readWhole(root, own);
  if ('reason' in packed) return unknown(`neither /boot/config-${release.value} nor ${own} can be read`);
  try {
    const text = gunzipSync(packed.value, { maxOutputLength: MAX_CONFIG_BYTES }).toString('latin1');
    return parseConfig(text, own);
  } catch {
    return unknown(`${own} cannot be unpacked`);
  }
}

function parseConfig(text: string, path: string): KernelConfig {
  const set = new Set([...text.matchAll(/^CONFIG_(\w+)=y$/gm)].map((match) => match[1]));
  return set.size > 0 ? known(set, path) : unknown(`${path} is no kernel configuration`);
}

/**
 * Whether a kernel turns SME on, where the CPU and the firmware let it. Source: sme_enable() of
 * arch/x86/mm/mem_encrypt_identity.c; what is neither "on" nor "off" leaves the default.
 */
export function memEncryptOf(
  commandLine: Fact<string>,
  config: KernelConfig,
  release: Fact<string>,
): Fact<MemEncrypt> {
  if (config.value !== undefined && !config.value.has('AMD_MEM_ENCRYPT'))
    return known('off', `${config.source}, without CONFIG_AMD_MEM_ENCRYPT`);
  if (commandLine.value === undefined) return unknown(commandLine.source);
  const option = lastOption(commandLine.value, 'mem_encrypt');
  if (option === 'on' || option === 'off')
    return known(option, `mem_encrypt=${option} in ${commandLine.source}`);
  const said = `no mem_encrypt= in ${commandLine.source}`;
  if (config.value !== undefined) {
    const byDefault = config.value.has('AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT');
    return known(
      byDefault ? 'on' : 'off',
      `${said}, and ${byDefault ? 'on' : 'off'} by default in ${config.source}`,
    );
  }
  // Linux commit 29956748339a ("x86/Kconfig: Remove CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT"), v6.9.
  if (isSince(release, [6, 9]) === true) return known('off', `${said}, and off by default since Linux 6.9`);
  return unknown(`${said}, and the default is not known: ${config.source}`);
}

/** Kernels of RHEL and SLE bear the version that they began with and much of what came later. */
const WITH_BACKPORTS = /\.el\d|-1[56]0\d{3}\./;

/** Whether a kernel has what came with a version of Linux; undefined where its release does not tell. */
export function isSince(
  release: Fact<string>,
  [major, minor]: readonly [number, number],
): boolean | undefined {
  const match = /^(\d{1,4})\.(\d{1,4})/.exec(release.value ?? '');
  if (match === null) return undefined;
  const [ownMajor, ownMinor] = [Number(match[1]), Number(match[2])];
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return true;
  return WITH_BACKPORTS.test(release.value!) ? undefined : false;
}
