/** What the distribution's kdump tools load as crash kernel, and with which command line. */

import { basename } from 'node:path';
import { readText, resolveLinks } from './files.ts';
import { isRelease, memEncryptOf, readConfig } from './kernel.ts';
import { type Fact, type KdumpReport, type KdumpTools, known, unknown } from './report.ts';
import { parseAssignments, type Shell } from './shell.ts';

/** Where a package keeps its settings, and what it calls them. */
interface Tools {
  readonly name: KdumpTools;
  readonly file: string;
  /** Which shell reads the file. */
  readonly shell: Shell;
  /** What stands in for /proc/cmdline, and what is appended. */
  readonly base: string;
  readonly append: string;
  /** What is always taken out, and the setting that names more; with `removesFromBase` out of the setting, too. */
  readonly removes: readonly string[];
  readonly removeSetting: string | undefined;
  readonly removesFromBase: boolean;
  readonly release: (root: string, settings: Settings, running: Fact<string>) => Fact<string>;
}

interface Settings {
  readonly file: string;
  /** Empty settings are as good as none. */
  get(name: string): string | undefined;
}

/** Source: /usr/sbin/kdump-config of Debian's kdump-tools 1.8.1. */
const DEBIAN: Tools = {
  name: 'kdump-tools',
  file: '/etc/default/kdump-tools',
  shell: 'sh',
  base: 'KDUMP_CMDLINE',
  append: 'KDUMP_CMDLINE_APPEND',
  removes: ['crashkernel', 'hugepages', 'hugepagesz', 'abm'],
  removeSetting: undefined,
  removesFromBase: false,
  release: (root, settings, running) => {
    const path = settings.get('KDUMP_KERNEL');
    return path === undefined ? running : releaseOfImage(root, path);
  },
};

/** Source: prepare_cmdline() and _get_kdump_kernel_version() of kdump-lib.sh, kdump-utils 1.0.61. */
const FEDORA: Tools = {
  name: 'kdump-utils',
  file: '/etc/sysconfig/kdump',
  shell: 'bash',
  base: 'KDUMP_COMMANDLINE',
  append: 'KDUMP_COMMANDLINE_APPEND',
  removes: [
    ...['crashkernel', 'panic_on_warn', 'root', 'rd.lvm.lv', 'rd.luks.uuid', 'rd.dm.uuid', 'rd.md.uuid'],
    ...['fcoe', 'netroot', 'rd.iscsi.initiator', 'iscsi_initiator'],
  ],
  removeSetting: 'KDUMP_COMMANDLINE_REMOVE',
  removesFromBase: true,
  release: (_root, settings, running) => {
    const asked = settings.get('KDUMP_KERNELVER');
    if (asked !== undefined) return releaseOf(asked, `KDUMP_KERNELVER in ${settings.file}`);
    if (!/[+-]debug$/.test(running.value ?? '')) return running;
    return unknown('a debug kernel runs, and kdumpctl may load the one without debugging instead');
  },
};

/** Source: init/load.sh and init/mkdumprd of SUSE's kdump 2.1.9; without KDUMP_KERNELVER the boot loader's default is taken. */
const SUSE: Tools = {
  name: 'SUSE kdump',
  file: '/etc/sysconfig/kdump',
  shell: 'bash',
  base: 'KDUMP_COMMANDLINE',
  append: 'KDUMP_COMMANDLINE_APPEND',
  removes: [
    ...['root', 'resume', 'crashkernel', 'splash', 'mem', 'BOOT_IMAGE', 'showopts', 'zfcp.allow_lun_scan'],
    ...['hugepages', 'acpi_no_memhotplug', 'cgroup_disable', 'unknown_nmi_panic', 'rd.udev.children-max'],
  ],
  removeSetting: undefined,
  removesFromBase: false,
  release: (root, settings) => {
    const path = '/var/lib/kdump/kernel-version';
    const content = readText(root, path);
    if ('value' in content) return releaseOf(content.value.trim(), path);
    const asked = settings.get('KDUMP_KERNELVER');
    if (asked === undefined) return unknown(content.reason);
    return asked.startsWith('/')
      ? releaseOfImage(root, asked)
      : releaseOf(asked, `KDUMP_KERNELVER in ${settings.file}`);
  },
};

function releaseOfImage(root: string, path: string): Fact<string> {
  const image = resolveLinks(root, path);
  const release = /^vmlinu[xz]-(.+)$/.exec(basename(image))?.[1];
  return release === undefined
    ? unknown(`${path} does not say which kernel it is`)
    : releaseOf(release, path);
}

function releaseOf(text: string, source: string): Fact<string> {
  return isRelease(text) ? known(text, source) : unknown(`${source} does not look like a release`);
}

/** Fedora's and SUSE's settings are in one place; /etc/os-release tells them apart. */
function findTools(root: string): Fact<Tools> {
  for (const tools of [DEBIAN, FEDORA]) {
    const content = readText(root, tools.file);
    if ('reason' in content) {
      if (content.absent) continue;
      return unknown(content.reason);
    }
    const os = tools === FEDORA ? readText(root, '/etc/os-release') : undefined;
    const isSuse = os !== undefined && 'value' in os && /^ID(?:_LIKE)?=.*\bsuse\b/m.test(os.value);
    return known(isSuse ? SUSE : tools, tools.file);
  }
  return unknown(`neither ${DEBIAN.file} nor ${FEDORA.file} is there`);
}

export function readKdump(root: string, running: Fact<string>, commandLine: Fact<string>): KdumpReport {
  const crash = readLoaded(root, running);
  const found = findTools(root);
  if (found.value === undefined) {
    const none = unknown(found.source);
    return { tools: none, ...crash, release: none, commandLine: none, memEncrypt: none };
  }
  const tools = known(found.value.name, found.source);
  const settings = readSettings(root, found.value);
  if (settings.value === undefined) {
    const none = unknown(settings.source);
    return { tools, ...crash, release: none, commandLine: none, memEncrypt: none };
  }
  const release = found.value.release(root, settings.value, running);
  const line = crashCommandLine(found.value, settings.value, commandLine);
  const memEncrypt = memEncryptOf(line, readConfig(root, release, running), release);
  return { tools, ...crash, release, commandLine: line, memEncrypt };
}

function readSettings(root: string, { file, shell }: Tools): Fact<Settings> {
  const content = readText(root, file);
  if ('reason' in content) return unknown(content.reason);
  const { values, trouble } = parseAssignments(content.value, shell);
  if (trouble !== undefined) return unknown(`${file}: ${trouble}`);
  return known({ file, get: (name) => values.get(name) || undefined }, file);
}

function crashCommandLine(tools: Tools, settings: Settings, commandLine: Fact<string>): Fact<string> {
  const own = settings.get(tools.base);
  const base = own === undefined ? commandLine.value : own;
  if (base === undefined) return unknown(commandLine.source);
  const removed = new Set(tools.removes);
  for (const word of words((tools.removeSetting && settings.get(tools.removeSetting)) || '')) {
    removed.add(nameOf(word));
  }
  const isFiltered = own === undefined || tools.removesFromBase;
  const kept = words(base).filter((word) => !isFiltered || !removed.has(nameOf(word)));
  const appended = settings.get(tools.append) ?? '';
  // The file that decides about mem_encrypt= is the one to name.
  const decides = own !== undefined || [appended, ...removed].some((text) => /\bmem_encrypt\b/.test(text));
  return known(
    [...kept, ...words(appended)].join(' '),
    decides ? tools.file : `${commandLine.source}, as ${tools.file} takes it over`,
  );
}

const words = (text: string): string[] => text.match(/(?:[^\s"]|"[^"]*"?)+/g) ?? [];
const nameOf = (word: string): string => word.split('=', 1)[0];

function readLoaded(root: string, running: Fact<string>): Pick<KdumpReport, 'loaded' | 'canLoad'> {
  const path = '/sys/kernel/kexec_crash_loaded';
  const content = readText(root, path);
  if ('value' in content) {
    const value = content.value.trim();
    const isLoaded = value === '0' || value === '1' ? known(value === '1', path) : undefined;
    return { loaded: isLoaded ?? unknown(`${path} is neither 0 nor 1`), canLoad: true };
  }
  const config = readConfig(root, running, running);
  const missing = ['KEXEC_CORE', 'CRASH_DUMP'].find((option) => config.value?.has(option) === false);
  return content.absent && missing !== undefined
    ? { loaded: known(false, `${config.source}, without CONFIG_${missing}`), canLoad: false }
    : { loaded: unknown(content.reason), canLoad: true };
}
