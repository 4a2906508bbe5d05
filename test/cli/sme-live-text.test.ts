/** One screen about a running machine, of which the last line is the answer. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { liveText } from '../../src/cli/sme-live-text.ts';
import { lookAtMachine } from '../../src/sme/live/live.ts';
import { tempFiles } from '../read/temp-files.ts';
import { type Change, garbageEverywhere, machine } from '../sme/live/trees.ts';

const files = tempFiles();
const textOf = (tree: string | undefined, changes?: Record<string, Change>, width = 80) =>
  liveText(lookAtMachine(machine(files, tree, changes)), width);

describe('the text of sme --live', () => {
  it('of a machine with SME on in both kernels', () => {
    expect(`\n${textOf('epyc-rhel').join('\n')}\n`).toMatchInlineSnapshot(`
      "
      machine         AMD EPYC 7763 64-Core Processor,
                      Linux 5.14.0-427.13.1.el9_4.x86_64, 512.0 GiB of RAM
        memory        encrypted: SME      /var/log/dmesg
        firmware      SYSCFG bit 23 is 1  /proc/cpuinfo, whose flag sme is there only
                                          then
        crash kernel  loaded              /sys/kernel/kexec_crash_loaded
                      mem_encrypt on      mem_encrypt=on in /proc/cmdline, as
                                          /etc/sysconfig/kdump takes it over
        reserved      576.0 MiB           /proc/iomem
        dump          both this kernel and the crash kernel encrypt memory

      note: untested on hardware: this is what the source of Linux and its
            documentation say

      a crash now would leave a dump that can be read
      "
    `);
  });

  it('of a machine whose crash kernel would read ciphertext', () => {
    const text = textOf('epyc-rhel', {
      'etc/sysconfig/kdump': (before) => `${before}KDUMP_COMMANDLINE_APPEND+=" mem_encrypt=off"\n`,
    });
    expect(`\n${text.join('\n')}\n`).toMatchInlineSnapshot(`
      "
      machine         AMD EPYC 7763 64-Core Processor,
                      Linux 5.14.0-427.13.1.el9_4.x86_64, 512.0 GiB of RAM
        memory        encrypted: SME      /var/log/dmesg
        firmware      SYSCFG bit 23 is 1  /proc/cpuinfo, whose flag sme is there only
                                          then
        crash kernel  loaded              /sys/kernel/kexec_crash_loaded
                      mem_encrypt off     mem_encrypt=off in /etc/sysconfig/kdump
        reserved      576.0 MiB           /proc/iomem

      problem: the crash kernel would not decrypt memory, and read only ciphertext
               (mem_encrypt=off in /etc/sysconfig/kdump)
               Put mem_encrypt=on into KDUMP_COMMANDLINE_APPEND in
               /etc/sysconfig/kdump, as its last word and instead of any other
               mem_encrypt=, then \`kdumpctl restart\`.
      note: untested on hardware: this is what the source of Linux and its
            documentation say

      a crash now would leave no dump that can be read
      "
    `);
  });

  it('of a SEV-SNP guest whose kernel is too old', () => {
    expect(`\n${textOf('snp-ubuntu').join('\n')}\n`).toMatchInlineSnapshot(`
      "
      machine         AMD EPYC 7B13, Linux 6.8.0-60-generic, 32.0 GiB of RAM, a guest
        memory        encrypted: SEV-SNP  /var/log/dmesg
        crash kernel  loaded              /sys/kernel/kexec_crash_loaded
        reserved      512.0 MiB           /proc/iomem

      problem: dumping with SEV-SNP came with Linux 6.13, and this is 6.8.0-60-generic
               Boot a later kernel, or one into which your distribution has brought
               it.
      note: untested on hardware: this is what the source of Linux and its
            documentation say
      note: before Linux 6.15 or its stable updates, dumping an SNP guest may read a
            page that hangs it

      a crash now would leave no dump that can be read
      "
    `);
  });

  it('of a machine without memory for a crash kernel', () => {
    expect(`\n${textOf('qemu-intel').join('\n')}\n`).toMatchInlineSnapshot(`
      "
      machine         Intel Xeon Processor (Skylake), Linux 6.1.0-56-cloud-amd64,
                      4.0 GiB of RAM, a guest
        memory        not encrypted          /var/log/dmesg names none
        crash kernel  not loaded             /sys/kernel/kexec_crash_loaded
        reserved      0 B, 256.0 MiB wanted  /sys/kernel/kexec_crash_size
        dump          memory is not encrypted, and no kernel can encrypt it here

      problem: no memory is reserved for a crash kernel
               Boot with crashkernel=256M.

      a crash now would leave no dump
      "
    `);
  });

  it('of a machine of which nothing is known', () => {
    expect(`\n${textOf(undefined).join('\n')}\n`).toMatchInlineSnapshot(`
      "
      machine         CPU not known, release not known, RAM not known
        memory        not known: /proc/cpuinfo: no such file (ENOENT)
        crash kernel  not known: /sys/kernel/kexec_crash_loaded: no such file (ENOENT)
        reserved      not known: /sys/kernel/kexec_crash_size: no such file (ENOENT)

      problem: how much memory is reserved for a crash kernel is not known:
               /sys/kernel/kexec_crash_size: no such file (ENOENT)
               Ask on the machine itself, as root, with /proc and /sys mounted.
      problem: whether a crash kernel is loaded is not known:
               /sys/kernel/kexec_crash_loaded: no such file (ENOENT)
               Ask on the machine itself, as root, with /proc and /sys mounted.
      problem: whether this kernel encrypts memory is not known: /proc/cpuinfo: no
               such file (ENOENT)
               Ask on the machine itself, as root, with /proc and /sys mounted.

      whether a crash now would leave a dump that can be read is not known
      "
    `);
  });

  it('fits a screen, obeys no file, and ends in the answer', () => {
    fc.assert(
      fc.property(
        garbageEverywhere,
        fc.constantFrom(40, 80, 200, Number.POSITIVE_INFINITY),
        (changes, width) => {
          const lines = textOf(undefined, changes, width);
          expect(lines.length).toBeLessThanOrEqual(24);
          expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(Math.min(width, 80));
          expect(lines.join('')).not.toMatch(/[\p{Cc}\u202e]/u);
          expect(lines.at(-1)).toMatch(/^(whether )?a crash now would leave/);
        },
      ),
      { numRuns: 100 },
    );
  });
});
