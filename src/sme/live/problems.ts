/** What stands between a running machine and a dump that can be read, and what to do about it. */

import {
  type Fact,
  type FirstKernelReport,
  isEncrypted,
  type KdumpReport,
  type KdumpTools,
  type MatrixRow,
  type MemoryReport,
  type Problem,
} from './report.ts';

/** One condition of a readable dump: whether it holds, and the problem where it does not or where nobody knows. */
interface Check {
  readonly holds: boolean | undefined;
  readonly problem?: Problem;
}

/** How the packages are told what to do, in the words that stand in for "…". */
interface Ways {
  readonly load: string;
  readonly reload: string;
  /** What a person appends to the crash kernel's command line; the last of several mem_encrypt= counts. */
  readonly append: string;
  readonly reserve: (size: string) => string;
}

const WAYS: Readonly<Record<KdumpTools, Ways>> = {
  'kdump-utils': {
    load: '`systemctl enable --now kdump`',
    reload: '`kdumpctl restart`',
    append: 'KDUMP_COMMANDLINE_APPEND in /etc/sysconfig/kdump',
    reserve: (size) => `\`grubby --update-kernel=ALL --args=crashkernel=${size}\`, and boot again`,
  },
  'kdump-tools': {
    load: 'put USE_KDUMP=1 into /etc/default/kdump-tools, and run `kdump-config load`',
    reload: '`kdump-config unload && kdump-config load`',
    // Once it is set, its default counts no more, and that starts the dump service.
    append: 'KDUMP_CMDLINE_APPEND in /etc/default/kdump-tools (keep what it has by default)',
    reserve: (size) =>
      `put crashkernel=${size} into /etc/default/grub.d/kdump-tools.cfg, \`update-grub\`, and boot again`,
  },
  'SUSE kdump': {
    load: '`systemctl enable --now kdump`',
    reload: '`systemctl restart kdump`',
    append: 'KDUMP_COMMANDLINE_APPEND in /etc/sysconfig/kdump',
    reserve: (size) =>
      `put crashkernel=${size} into KDUMP_CRASHKERNEL in /etc/sysconfig/kdump, \`kdumptool commandline -u\`, and boot again`,
  },
};

/** The last of several counts. */
const INSTEAD = ', as its last word and instead of any other mem_encrypt=';

const ANY: Ways = {
  load: 'install and start kdump (kdump-utils, kdump-tools or kdump, as your distribution calls it)',
  reload: 'load the crash kernel anew',
  append: "the crash kernel's command line",
  reserve: (size) => `boot with crashkernel=${size}`,
};

/** The verdict and its reasons, of which the first is the first to be dealt with. */
export function assess(
  kernel: FirstKernelReport,
  kdump: KdumpReport,
  memory: MemoryReport,
  row: MatrixRow,
): { readable: boolean | undefined; problems: Problem[] } {
  const ways = kdump.tools.value === undefined ? ANY : WAYS[kdump.tools.value];
  const checks = [
    isReserved(memory, kdump, ways),
    isLoaded(memory, kdump, ways),
    isRowFine(kernel, kdump, row, ways),
    isEnough(kernel, memory, ways),
  ];
  const holds = checks.map((check) => check.holds);
  return {
    readable: holds.includes(false) ? false : holds.includes(undefined) ? undefined : true,
    problems: checks.flatMap(({ problem }) => problem ?? []),
  };
}

function isReserved(
  { reservedBytes, wantedBytes }: MemoryReport,
  { canLoad }: KdumpReport,
  ways: Ways,
): Check {
  if (reservedBytes.value === 0) {
    const what = 'no memory is reserved for a crash kernel';
    return { holds: false, problem: { what, todo: sentence(ways.reserve(sizeOf(wantedBytes.value!))) } };
  }
  if (reservedBytes.value !== undefined) return { holds: true };
  // That it cannot be loaded is what there is to say then.
  if (!canLoad) return { holds: undefined };
  const what = `how much memory is reserved for a crash kernel is not known: ${reservedBytes.source}`;
  return { holds: undefined, problem: { what, todo: howToKnow([reservedBytes]) } };
}

function isLoaded({ reservedBytes }: MemoryReport, { loaded, canLoad }: KdumpReport, ways: Ways): Check {
  if (loaded.value === true) return { holds: true };
  if (loaded.value === undefined) {
    const what = `whether a crash kernel is loaded is not known: ${loaded.source}`;
    return { holds: undefined, problem: { what, todo: howToKnow([loaded]) } };
  }
  if (!canLoad) {
    const what = `this kernel cannot load a crash kernel: ${loaded.source}`;
    return {
      holds: false,
      problem: { what, todo: 'Boot a kernel with CONFIG_KEXEC_FILE and CONFIG_CRASH_DUMP.' },
    };
  }
  // Once there is memory for it, the service loads it.
  if (reservedBytes.value === 0) return { holds: false };
  const what = 'no crash kernel is loaded, so a crash leaves no dump';
  return { holds: false, problem: { what, todo: sentence(ways.load) } };
}

function isRowFine(
  kernel: FirstKernelReport,
  kdump: KdumpReport,
  { first, kdump: second, readable, why }: MatrixRow,
  ways: Ways,
): Check {
  if (readable === true) return { holds: true };
  if (first !== undefined && second !== undefined && first !== second) {
    const other =
      kdump.release.value !== kernel.release.value ? 'Load this very kernel as crash kernel, or put' : 'Put';
    const todo = `${other} mem_encrypt=${first} into ${ways.append}${INSTEAD}, then ${ways.reload}.`;
    return { holds: readable, problem: { what: `${why} (${kdump.memEncrypt.source})`, todo } };
  }
  if (readable === false) {
    const todo = 'Boot a later kernel, or one into which your distribution has brought it.';
    return { holds: false, problem: { what: why, todo } };
  }
  if (first === 'on' && second === 'on') {
    const todo = 'Try it: crash a machine like this one, and look at what it leaves with `smelt sme`.';
    return { holds: undefined, problem: { what: why, todo } };
  }
  const todo =
    first === undefined
      ? howToKnow([kernel.encryption, kernel.logLine, kernel.smeMask])
      : `Put mem_encrypt=${first} into ${ways.append}${INSTEAD}, then ${ways.reload}.`;
  return { holds: undefined, problem: { what: why, todo } };
}

/** Too little is no proof that it fails, but nothing to rely on. */
function isEnough({ encryption }: FirstKernelReport, memory: MemoryReport, ways: Ways): Check {
  const { reservedBytes, wantedBytes, isRuleOfThumb } = memory;
  const reserved = reservedBytes.value;
  const wanted = wantedBytes.value;
  if (!reserved || wanted === undefined || reserved >= wanted) return { holds: true };
  // For ordinary memory smelt knows no better than whoever chose the size.
  if (isRuleOfThumb && !isEncrypted(encryption)) return { holds: true };
  const what = `${sizeOf(reserved)} are reserved for the crash kernel and ${sizeOf(wanted)} should be (${wantedBytes.source})`;
  return { holds: undefined, problem: { what, todo: sentence(ways.reserve(sizeOf(wanted))) } };
}

/** As crashkernel= has it. */
const sizeOf = (bytes: number): string => `${Math.floor(bytes / 1024 / 1024)}M`;

function howToKnow(facts: readonly Fact<unknown>[]): string {
  return facts.some(({ source }) => /\((?:EACCES|EPERM)\)/.test(source))
    ? 'Ask again as root.'
    : 'Ask on the machine itself, as root, with /proc and /sys mounted.';
}

function sentence(text: string): string {
  const [first] = text;
  return first === '`' ? `Run ${text}.` : `${first.toUpperCase()}${text.slice(1)}.`;
}
