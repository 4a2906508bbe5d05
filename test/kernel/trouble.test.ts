/** Where in a kernel log a report of a crash begins, and who ran then. */
import { describe, expect, it } from 'vitest';
import { culpritOf, isPanic, isTrouble } from '../../src/kernel/trouble.ts';

/** As the kernel logs it. */
const logged = (text: string) => ({ text, facility: 'kern' });

describe('a report of a crash', () => {
  it.each([
    'Kernel panic - not syncing: Fatal exception',
    'BUG: kernel NULL pointer dereference, address: 0000000000000008',
    'BUG: unable to handle page fault for address: ffffffffc0de0000',
    'watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [kworker/3:1:77]',
    'NMI watchdog: Watchdog detected hard LOCKUP on cpu 5',
    'kernel BUG at mm/slub.c:4567!',
    'Oops: 0002 [#1] PREEMPT SMP PTI',
    'Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP',
    'general protection fault, probably for non-canonical address 0xdead000000000122: 0000 [#1] SMP NOPTI',
    'invalid opcode: 0000 [#1] PREEMPT SMP',
    'traps: PANIC: double fault, error_code: 0x0',
    'INFO: task kworker/u8:3:98 blocked for more than 120 seconds.',
    'rcu: INFO: rcu_preempt self-detected stall on CPU',
    'Unable to handle kernel paging request at virtual address dead000000000100',
    'mce: [Hardware Error]: CPU 2: Machine Check Exception: 5 Bank 4: b200000000070f0f',
    'sysrq: Trigger a crash',
    'SysRq : Trigger a crash',
  ])('begins with %j', (text) => {
    expect(isTrouble(logged(text))).toBe(true);
  });

  it.each([
    'Command line: console=ttyS0 panic=1 oops=panic',
    'sysrq: Changing Loglevel',
    'DEBUG: nothing',
    'usb 1-1: BUG-free device',
    'crng init done',
    'Bluetooth: RFCOMM ver 1.11 [#1]',
    'WARNING: CPU: 0 PID: 1 at kernel/module.c:10',
    '',
  ])('does not begin with %j', (text) => {
    expect(isTrouble(logged(text))).toBe(false);
  });

  it('is told from a panic, which is the end', () => {
    expect(isPanic(logged('Kernel panic - not syncing: sysrq triggered crash'))).toBe(true);
    expect(isPanic(logged('BUG: kernel NULL pointer dereference'))).toBe(false);
  });

  it('is looked for in no time in a text that tries to be slow', () => {
    const began = performance.now();
    for (const piece of ['a ', ': ', 'CPU: 1 PID: 1 Comm: ', '[#1', 'INFO: task ']) {
      isTrouble(logged(piece.repeat(32_768)));
      culpritOf(logged(`CPU: 1 PID: 1 Comm: ${piece.repeat(32_768)}`));
    }
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

describe('who ran', () => {
  it.each([
    [
      'CPU: 1 PID: 1 Comm: init Kdump: loaded Not tainted 6.1.0-56-amd64 #1  Debian 6.1.192-2',
      { cpu: 1, pid: 1, comm: 'init', taint: '' },
    ],
    [
      'CPU: 12 UID: 0 PID: 156 Comm: hog alpha Not tainted 7.3.4+deb13-cloud-amd64 #1 PREEMPT(lazy)',
      { cpu: 12, pid: 156, comm: 'hog alpha', taint: '' },
    ],
    [
      'CPU: 3 PID: 77 Comm: kworker/3:1 Kdump: loaded Tainted: G        W  OE      5.14.0-70.el9.x86_64 #1',
      { cpu: 3, pid: 77, comm: 'kworker/3:1', taint: 'G        W  OE' },
    ],
    [
      'CPU: 0 UID: 0 PID: 9 Comm: sh Tainted: G        W           6.12.0 #1',
      { cpu: 0, pid: 9, comm: 'sh', taint: 'G        W' },
    ],
    [
      'CPU: 0 UID: 0 PID: 9 Comm: sh Tainted: G      D W   [D]=DIE, [W]=WARN',
      { cpu: 0, pid: 9, comm: 'sh', taint: 'G      D W' },
    ],
  ])('is read from %j', (text, culprit) => {
    expect(culpritOf(logged(text))).toEqual(culprit);
  });

  it('is not read from other lines', () => {
    expect(culpritOf(logged('CPU: Physical Processor ID: 0'))).toBeUndefined();
    expect(culpritOf(logged('WARNING: CPU: 0 PID: 1 Comm: x Not tainted'))).toBeUndefined();
  });
});

describe('what a program wrote to /dev/kmsg', () => {
  it.each(['user', 'daemon', '17'])('is no trouble, no panic and names nobody: %s', (facility) => {
    expect(isTrouble({ text: 'BUG: unable to handle page fault', facility })).toBe(false);
    expect(isPanic({ text: 'Kernel panic - not syncing: I wish', facility })).toBe(false);
    const text = 'CPU: 1 PID: 1 Comm: init Not tainted 6.1.0 #1';
    expect(culpritOf({ text, facility })).toBeUndefined();
    // Of old logs it is not known who wrote a line.
    expect(culpritOf({ text, facility: undefined })).toMatchObject({ pid: 1 });
  });
});
