/** Whether a running machine would leave a dump that can be read, on machines that were recorded or composed. */
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lookAtMachine } from '../../../src/sme/live/live.ts';
import { tempFiles } from '../../read/temp-files.ts';
import { type Change, garbageEverywhere, leaf, machine, u64, withKcore, withRegisters } from './trees.ts';

const files = tempFiles();
const look = (tree: string | undefined, changes?: Record<string, Change>) =>
  lookAtMachine(machine(files, tree, changes));

const FEDORA = 'etc/sysconfig/kdump';
const DEBIAN = 'etc/default/kdump-tools';
const LOG = 'var/log/dmesg';
const append =
  (line: string): Change =>
  (before) =>
    `${before}${line}\n`;
const replace =
  (from: string | RegExp, to: string): Change =>
  (before) => {
    expect(before).toMatch(from);
    return before.replaceAll(from, to);
  };
const noLog = { [LOG]: null };
/** Another version everywhere that the kernel names itself. */
const release = (from: string, to: string): Record<string, Change> => ({
  'proc/sys/kernel/osrelease': to,
  [LOG]: replace(from, to),
  [`boot/config-${to}`]:
    'CONFIG_X86_64=y\nCONFIG_AMD_MEM_ENCRYPT=y\nCONFIG_KEXEC_CORE=y\nCONFIG_CRASH_DUMP=y\n',
});

const SYSCFG = 0xc0010010;
const SEV_STATUS = 0xc0010131;
const BIT_23 = u64(1n << 23n);

describe('the support matrix', () => {
  it('has a readable dump where both kernels encrypt', () => {
    const report = look('epyc-rhel');
    expect(report.kernel.encryption).toEqual({ value: 'SME', source: '/var/log/dmesg' });
    expect(report.kernel.logLine.value).toBe('Memory Encryption Features active: AMD SME');
    expect(report.kdump.memEncrypt.value).toBe('on');
    expect(report.row).toMatchObject({ first: 'on', kdump: 'on', readable: true });
    expect(report).toMatchObject({ readable: true, problems: [] });
    expect(report.notes.join()).toMatch(/untested on hardware/);
  });

  it('has a readable dump where neither kernel encrypts, and says that TSME cannot be seen', () => {
    const report = look('epyc-debian');
    expect(report.kernel.encryption.value).toBe('none');
    expect(report.row).toMatchObject({ first: 'off', kdump: 'off', readable: true });
    expect(report).toMatchObject({ readable: true, problems: [] });
    expect(report.notes.join()).toMatch(/TSME/);
  });

  it('has ciphertext where only the first kernel encrypts', () => {
    const report = look('epyc-rhel', { [FEDORA]: append('KDUMP_COMMANDLINE_APPEND+=" mem_encrypt=off"') });
    expect(report.row).toMatchObject({ first: 'on', kdump: 'off', readable: false });
    expect(report.readable).toBe(false);
    expect(report.problems).toEqual([
      {
        what: 'the crash kernel would not decrypt memory, and read only ciphertext (mem_encrypt=off in /etc/sysconfig/kdump)',
        todo: 'Put mem_encrypt=on into KDUMP_COMMANDLINE_APPEND in /etc/sysconfig/kdump, as its last word and instead of any other mem_encrypt=, then `kdumpctl restart`.',
      },
    ]);
  });

  it('has noise where only the crash kernel encrypts', () => {
    const report = look('epyc-debian', {
      [DEBIAN]: append('KDUMP_CMDLINE_APPEND="nr_cpus=1 mem_encrypt=on"'),
    });
    expect(report.row).toMatchObject({ first: 'off', kdump: 'on', readable: false });
    expect(report.readable).toBe(false);
    expect(report.problems).toHaveLength(1);
    expect(report.problems[0].what).toMatch(/noise/);
    expect(report.problems[0].todo).toMatch(
      /Put mem_encrypt=off into KDUMP_CMDLINE_APPEND .*by default.*as its last word/,
    );
  });

  it('does not matter where the firmware lets no kernel encrypt', () => {
    const root = machine(files, 'epyc-debian', { [DEBIAN]: append('KDUMP_CMDLINE_APPEND="mem_encrypt=on"') });
    const report = lookAtMachine(withRegisters(root, 'msr', { [SYSCFG]: u64(0n), [SEV_STATUS]: u64(0n) }));
    expect(report.cpu.syscfgMemEncrypt).toMatchObject({ value: false });
    expect(report.row).toMatchObject({ first: 'off', kdump: 'off', readable: true });
    expect(report.readable).toBe(true);
  });

  it('is not known where the crash kernel encrypts and nobody says whether the firmware lets it', () => {
    const report = look('epyc-debian', {
      [DEBIAN]: append('KDUMP_CMDLINE_APPEND="mem_encrypt=on"'),
      'proc/cpuinfo': replace(' sev sev_es', ''),
    });
    expect(report.cpu.syscfgMemEncrypt.value).toBeUndefined();
    expect(report.row).toMatchObject({ first: 'off', kdump: 'on', readable: undefined });
    expect(report.readable).toBeUndefined();
  });

  it('is fine where this kernel was told to encrypt and could not: neither will the same kernel after a crash', () => {
    const report = look('epyc-debian', {
      'proc/cmdline': append('mem_encrypt=on'),
      'proc/cpuinfo': replace(' sev sev_es', ''),
    });
    expect(report.kernel).toMatchObject({ encryption: { value: 'none' }, memEncrypt: { value: 'on' } });
    expect(report.kdump.memEncrypt.value).toBe('on');
    expect(report).toMatchObject({ row: { first: 'off', kdump: 'off' }, readable: true });
  });

  it('is not known where the settings of kdump are not', () => {
    const report = look('epyc-rhel', { [FEDORA]: null });
    expect(report.kdump.tools.value).toBeUndefined();
    expect(report.row).toMatchObject({ first: 'on', kdump: undefined, readable: undefined });
    expect(report.readable).toBeUndefined();
    expect(report.problems[0].todo).toMatch(/mem_encrypt=on/);
  });

  it('is that of the crash kernel that is named, not of the running one', () => {
    const other = '5.14.0-503.11.1.el9_5.x86_64';
    const report = look('epyc-rhel', {
      [FEDORA]: append(`KDUMP_KERNELVER="${other}"`),
      [`boot/config-${other}`]: 'CONFIG_X86_64=y\n# CONFIG_AMD_MEM_ENCRYPT is not set\n',
    });
    expect(report.kdump.release.value).toBe(other);
    expect(report.row).toMatchObject({ first: 'on', kdump: 'off', readable: false });
    expect(report.problems[0].what).toMatch(/without CONFIG_AMD_MEM_ENCRYPT/);
    expect(report.problems[0].todo).toMatch(/^Load this very kernel/);
  });
});

describe('a guest', () => {
  it('with SEV cannot switch it off in the crash kernel either', () => {
    const report = look('sev-fedora', { [FEDORA]: append('KDUMP_COMMANDLINE_APPEND+=" mem_encrypt=off"') });
    expect(report.kernel.encryption.value).toBe('SEV');
    expect(report.row).toMatchObject({ first: 'on', kdump: 'on', readable: true });
    expect(report).toMatchObject({ readable: true, problems: [] });
  });

  it.each([
    ['6.12.9-generic', false],
    ['6.13.0-generic', true],
    // Linux 6.4 as SLE has it, and RHEL's 5.14: who knows what is in them.
    ['6.4.0-150600.23.25-default', undefined],
    ['5.14.0-570.el9.x86_64', undefined],
  ])('with SEV-SNP and Linux %s has a dump: %s', (version, readable) => {
    const report = look('snp-ubuntu', release('6.8.0-60-generic', version));
    expect(report.kernel.encryption.value).toBe('SEV-SNP');
    expect(report).toMatchObject({ row: { readable }, readable });
  });

  it('with SEV-SNP and Linux 6.8 is told which version it needs, and that some later ones may hang', () => {
    const report = look('snp-ubuntu');
    expect(report.readable).toBe(false);
    expect(report.problems).toHaveLength(1);
    expect(report.problems[0].what).toMatch(/came with Linux 6\.13, and this is 6\.8\.0-60-generic/);
    expect(report.notes.join()).toMatch(/6\.15/);
  });

  it('with SEV-ES may have none: Linux was not made for it', () => {
    const report = look('sev-fedora', { [LOG]: replace('active: AMD SEV', 'active: AMD SEV SEV-ES') });
    expect(report.kernel.encryption.value).toBe('SEV-ES');
    expect(report).toMatchObject({ row: { readable: undefined }, readable: undefined });
    expect(report.problems[0].what).toMatch(/SEV-ES/);
  });

  it.each([
    ['6.8.0-60-generic', false],
    ['6.11.0-26-generic', true],
  ])('with TDX and Linux %s has a dump: %s', (version, readable) => {
    const report = look('tdx-ubuntu', release('6.11.0-26-generic', version));
    expect(report.kernel.encryption).toEqual({ value: 'TDX', source: '/proc/cpuinfo' });
    expect(report.readable).toBe(readable);
  });

  it('without encryption stays so whatever mem_encrypt= says (recorded: qemu-epyc)', () => {
    const report = look('qemu-epyc');
    expect(report.kernel.commandLine.value).toMatch(/mem_encrypt=on/);
    expect(report.cpu.isGuest.value).toBe(true);
    expect(report.kernel.encryption.value).toBe('none');
    expect(report.row).toMatchObject({ first: 'off', kdump: 'off', readable: true });
    expect(report.readable).toBe(true);
    expect(report.notes.join()).toMatch(/although it was asked for/);
  });
});

describe('the crash kernel', () => {
  it('needs memory (recorded: qemu-intel)', () => {
    const report = look('qemu-intel');
    expect(report.row.readable).toBe(true);
    expect(report.readable).toBe(false);
    expect(report.problems).toEqual([
      { what: 'no memory is reserved for a crash kernel', todo: 'Boot with crashkernel=256M.' },
    ]);
  });

  it('must be loaded', () => {
    const report = look('epyc-rhel', { 'sys/kernel/kexec_crash_loaded': '0\n' });
    expect(report.readable).toBe(false);
    expect(report.problems).toEqual([
      {
        what: 'no crash kernel is loaded, so a crash leaves no dump',
        todo: 'Run `systemctl enable --now kdump`.',
      },
    ]);
  });

  it('cannot be loaded by a kernel without kexec', () => {
    const report = look('qemu-intel', {
      'sys/kernel/kexec_crash_loaded': null,
      'sys/kernel/kexec_crash_size': null,
      'boot/config-6.1.0-56-cloud-amd64': replace('CONFIG_KEXEC_CORE=y', '# CONFIG_KEXEC_CORE is not set'),
    });
    expect(report.readable).toBe(false);
    expect(report.problems).toHaveLength(1);
    expect(report.problems[0].what).toMatch(/cannot load a crash kernel.*CONFIG_KEXEC_CORE/);
  });

  it('wants 64 MiB more where memory is encrypted', () => {
    const size = { 'proc/iomem': replace('5c000000-7fffffff', '60000000-7fffffff') };
    const report = look('epyc-rhel', size);
    expect(report.memory.reservedBytes.value).toBe(512 * 2 ** 20);
    expect(report.readable).toBeUndefined();
    expect(report.problems).toHaveLength(1);
    expect(report.problems[0].what).toMatch(/512M are reserved .* 576M should be .*2G-64G:256M,64G-:512M/);
    const plain = look('epyc-rhel', {
      ...size,
      [LOG]: replace(/.*Memory Encryption.*\n/g, ''),
      'proc/cmdline': replace('mem_encrypt=on', ''),
    });
    expect(plain).toMatchObject({ kernel: { encryption: { value: 'none' } }, readable: true });
  });

  it('is not judged by a rule of thumb where memory is not encrypted', () => {
    const small = { 'proc/iomem': replace('6f000000-7effffff', '6f000000-72ffffff') };
    const report = look('qemu-epyc', small);
    expect(report.memory).toMatchObject({ reservedBytes: { value: 64 * 2 ** 20 }, isRuleOfThumb: true });
    expect(report.readable).toBe(true);
  });
});

describe('what is encrypted', () => {
  const kcore = (mask: bigint) => `OSRELEASE=x\nNUMBER(sme_mask)=${mask}\n`;

  it.each([
    ['epyc-rhel', 1n << 51n, 'SME', 51],
    ['epyc-rhel', 0n, 'none', undefined],
    ['sev-fedora', 1n << 51n, 'SEV of unknown kind', 51],
  ] as const)('is told by /proc/kcore where there is no log (%s, mask %s: %s)', (tree, mask, kind, bit) => {
    const report = lookAtMachine(withKcore(machine(files, tree, noLog), kcore(mask)));
    expect(report.kernel.encryption).toEqual({ value: kind, source: 'NUMBER(sme_mask) of /proc/kcore' });
    expect(report.cpu.cBit.value).toBe(bit);
    expect(report.readable).toBe(kind === 'SEV of unknown kind' ? undefined : true);
  });

  it.each([
    [0b001n, 'SEV'],
    [0b011n, 'SEV-ES'],
    [0b111n, 'SEV-SNP'],
  ])('is told by MSR_AMD64_SEV of a guest (%s: %s)', (status, kind) => {
    const root = machine(files, 'sev-fedora', noLog);
    const report = lookAtMachine(
      withRegisters(root, 'msr', { [SYSCFG]: u64(0n), [SEV_STATUS]: u64(status) }),
    );
    expect(report.kernel.encryption).toEqual({ value: kind, source: 'MSR 0xc0010131, /dev/cpu/0/msr' });
  });

  it('is told by the flag sme since Linux 5.18, which takes it away where it is not used', () => {
    expect(look('epyc-sles', noLog).kernel.encryption).toMatchObject({ value: 'SME' });
    expect(look('epyc-debian', noLog).kernel.encryption).toMatchObject({ value: 'none' });
  });

  it('is not told by the flag sme before: then it is what was asked for and what the firmware lets', () => {
    const old = '5.10.0-30-amd64';
    const changes = { ...release('6.1.0-56-amd64', old), ...noLog };
    const on = { ...changes, 'proc/cmdline': append('mem_encrypt=on') };
    expect(look('epyc-debian', on).kernel.encryption.value).toBe('SME');
    const sme = { ...changes, 'proc/cpuinfo': replace(' sev sev_es', ' sme sev sev_es') };
    expect(look('epyc-debian', sme).kernel.encryption.value).toBe('none');
    const dark = { ...on, 'proc/cpuinfo': replace(' sev sev_es', '') };
    expect(look('epyc-debian', dark).kernel.encryption.value).toBeUndefined();
    const msr = withRegisters(machine(files, 'epyc-debian', dark), 'msr', {
      [SYSCFG]: BIT_23,
      [SEV_STATUS]: u64(0n),
    });
    expect(lookAtMachine(msr).kernel.encryption.value).toBe('SME');
  });

  it('is not known of an AMD guest that nothing is said of', () => {
    const report = look('sev-fedora', noLog);
    expect(report.kernel.encryption.value).toBeUndefined();
    expect(report.readable).toBeUndefined();
    expect(report.problems[0].what).toMatch(/whether this kernel encrypts memory is not known/);
  });
});

describe('CPUID', () => {
  const LARGEST = 0x80000000;
  const LEAF = 0x8000001f;

  it('says where the bit is', () => {
    const root = machine(files, 'epyc-debian');
    withRegisters(root, 'cpuid', { [LARGEST]: leaf(0x80000023), [LEAF]: leaf(0x0101fd3f, 0x00004173) });
    const { cpu } = lookAtMachine(root);
    expect(cpu.cpuidSme.value).toBe(true);
    expect(cpu.cBit).toEqual({ value: 51, source: 'CPUID 0x8000001f, /dev/cpu/0/cpuid' });
  });

  it('is not believed about a leaf that is not there (recorded: what QEMU answers then)', () => {
    const root = machine(files, 'qemu-epyc');
    withRegisters(root, 'cpuid', { [LARGEST]: leaf(0x8000001e), [LEAF]: leaf(0x00000207, 0x00000a88) });
    const { cpu } = lookAtMachine(root);
    expect(cpu.cpuidSme.value).toBeUndefined();
    expect(cpu.cBit.value).toBeUndefined();
  });
});

describe('what cannot be read', () => {
  /** Root may read anything: these tests are somebody else while they look. */
  const asNobody = <T>(run: () => T): T => {
    if (process.getuid!() !== 0) return run();
    process.seteuid!(65534);
    try {
      return run();
    } finally {
      process.seteuid!(0);
    }
  };

  it('is said of the MSRs, and the rest counts', () => {
    const root = withRegisters(machine(files, 'epyc-rhel'), 'msr', { [SYSCFG]: BIT_23 });
    chmodSync(dirname(root), 0o755);
    chmodSync(join(root, 'dev/cpu/0/msr'), 0);
    const report = asNobody(() => lookAtMachine(root));
    expect(report.cpu.sevStatus).toEqual({
      value: undefined,
      source: '/dev/cpu/0/msr: permission denied (EACCES)',
    });
    expect(report.readable).toBe(true);
  });

  it('is a reason to ask as root', () => {
    const root = machine(files, 'epyc-rhel');
    chmodSync(root, 0);
    const report = asNobody(() => lookAtMachine(root));
    chmodSync(root, 0o755);
    expect(report.readable).toBeUndefined();
    expect(report.problems.length).toBeGreaterThan(0);
    for (const { todo } of report.problems) expect(todo).toBe('Ask again as root.');
  });

  it('leaves everything unknown where there is nothing', () => {
    const report = look(undefined);
    expect(report.readable).toBeUndefined();
    expect(report.kernel.encryption.value).toBeUndefined();
    expect(report.problems).toHaveLength(3);
  });

  it('does not make it wait or go round in circles', () => {
    const paths = ['proc/cpuinfo', 'proc/cmdline', 'proc/kcore', FEDORA, LOG, 'dev/cpu/0/msr'];
    const root = machine(files, 'epyc-rhel', Object.fromEntries(paths.map((path) => [path, ''])));
    for (const path of paths) rmSync(join(root, path));
    execFileSync(
      'mkfifo',
      paths.map((path) => join(root, path)),
    );
    mkdirSync(join(root, 'etc/default'), { recursive: true });
    symlinkSync('/etc/default/kdump-tools', join(root, DEBIAN)); // itself: links stay below the root
    const report = lookAtMachine(root);
    expect(report.cpu.vendor.source).toBe('/proc/cpuinfo is not a regular file');
    expect(report.cpu.sevStatus.value).toBeUndefined();
    expect(report.kdump.memEncrypt.source).toBe('/etc/default/kdump-tools: is a symbolic link (ELOOP)');
    expect(report.readable).toBeUndefined();
  });

  it('is whatever is in the files: nothing makes it throw, and nothing unknown counts as fine', () => {
    fc.assert(
      fc.property(garbageEverywhere, (changes) => {
        const report = look(undefined, changes);
        // What is reported goes to --json as it is: no bigint, no set, no function.
        expect(JSON.parse(JSON.stringify(report))).toEqual(report);
        const { loaded } = report.kdump;
        const { reservedBytes } = report.memory;
        const fine = loaded.value === true && reservedBytes.value! > 0 && report.row.readable === true;
        if (report.readable) expect(fine).toBe(true);
        expect(report.problems.length > 0).toBe(report.readable !== true);
      }),
      { numRuns: 150 },
    );
  });
});
