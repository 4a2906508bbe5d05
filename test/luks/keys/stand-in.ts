/**
 * A stand-in for a machine with encrypted volumes: a directory with the files of /proc, /sys and configfs that matter, and shell scripts in
 * the place of cryptsetup, keyctl, mount and umount, which note how they are called and change the directory as the kernel would. What the
 * real ones do is shown by test/lab/luks/run; a plain directory takes what configfs refuses.
 */
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { KeyItems } from '../../../src/luks/keys/items.ts';
import type { System } from '../../../src/luks/keys/system.ts';
import type { TempFiles } from '../../read/temp-files.ts';

export const UUID = '3f0c2a1b-7d5e-4c69-9a80-1b2c3d4e5f60';
export const OTHER_UUID = '00000000-1111-2222-3333-444444444444';
const DIRECTORY = '/sys/kernel/config/crash_dm_crypt_keys';

/** A line of /proc/keys. */
export function keyLine(
  type: string,
  description: string,
  options: { readonly timeout?: string; readonly flags?: string; readonly serial?: string } = {},
): string {
  const { timeout = 'perm', flags = 'I--Q---', serial = '1a2b3c4d' } = options;
  return `${serial} ${flags}     2 ${timeout.padStart(4)} 3f010000     0     0 ${type.padEnd(9)} ${description}: 64\n`;
}

/** What configfs does and a plain directory does not: an item comes with its file, goes with it, and may refuse a description. */
export class StandInItems extends KeyItems {
  private readonly machine: Machine;
  /** Of which item the description is refused. */
  refuses: string | undefined;

  constructor(machine: Machine) {
    super(machine.system);
    this.machine = machine;
  }

  override make(name: string): void {
    super.make(name);
    const file = `${DIRECTORY}/${name}/description`;
    // A directory in the place of the file refuses to be written.
    if (name === this.refuses) mkdirSync(join(this.machine.root, file));
    else this.machine.write(file, '(null)\n');
  }

  override remove(name: string): boolean {
    const at = join(this.machine.root, DIRECTORY, name);
    if (!existsSync(at)) return false;
    rmSync(at, { recursive: true });
    return true;
  }
}

export class Machine {
  readonly root: string;
  readonly system: System;

  constructor(files: TempFiles, kernel: 'first kernel' | 'crash kernel' | 'none') {
    this.root = files.path('machine');
    this.system = {
      root: this.root,
      configfs: '/sys/kernel/config',
      commandPath: `${join(this.root, 'commands')}`,
      uid: 0,
    };
    mkdirSync(join(this.root, 'commands'), { recursive: true });
    this.write('/proc/keys', '');
    this.write('/proc/filesystems', 'nodev\tproc\nnodev\tconfigfs\n\text4\n');
    this.write('/proc/mounts', 'configfs /sys/kernel/config configfs rw 0 0\n');
    this.write('/proc/self/mountinfo', '22 1 0:21 / /proc rw - proc proc rw\n');
    this.write('/sys/kernel/kexec_crash_loaded', '0\n');
    mkdirSync(join(this.root, '/sys/class/block'), { recursive: true });
    if (kernel === 'first kernel') {
      mkdirSync(join(this.root, DIRECTORY), { recursive: true });
      this.write(`${DIRECTORY}/reuse`, '0\n');
    }
    if (kernel === 'crash kernel') this.write(`${DIRECTORY}/restore`, '0\n');
  }

  write(path: string, text: string): void {
    const at = join(this.root, path);
    mkdirSync(dirname(at), { recursive: true });
    writeFileSync(at, text);
  }

  append(path: string, text: string): void {
    appendFileSync(join(this.root, path), text);
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  /** `body` is shell; what the command was called with goes to `calls` first. */
  command(name: string, body: string): void {
    const at = join(this.root, 'commands', name);
    writeFileSync(
      at,
      `#!/bin/sh\nPATH=/usr/bin:/bin\necho "${name} $*" >> '${this.root}/calls'\ncd '${this.root}'\n${body}\n`,
    );
    chmodSync(at, 0o755);
  }

  withoutCommand(name: string): void {
    rmSync(join(this.root, 'commands', name));
  }

  /** All commands that were run, one a line. */
  calls(): string[] {
    return this.has('calls') ? this.read('calls').trimEnd().split('\n') : [];
  }

  item(name: string): string | undefined {
    const path = `${DIRECTORY}/${name}/description`;
    return this.has(path) ? this.read(path) : undefined;
  }

  makeItem(name: string, description: string): void {
    this.write(`${DIRECTORY}/${name}/description`, `${description}\n`);
  }

  /** An open dm-crypt device upon /dev/vdb. */
  open(name: string, dmUuid: string): void {
    this.write('/sys/class/block/dm-0/dm/name', `${name}\n`);
    this.write('/sys/class/block/dm-0/dm/uuid', `${dmUuid}\n`);
    this.write('/sys/class/block/dm-0/dev', '253:0\n');
    mkdirSync(join(this.root, '/sys/class/block/vdb/holders/dm-0'), { recursive: true });
  }

  /** Commands that work: what they open, mount, unmount, close and revoke can be seen in the directory. */
  withCommands(): this {
    const dmUuid = `CRYPT-LUKS2-${UUID.replaceAll('-', '')}`;
    this.command(
      'cryptsetup',
      `case $1 in
        luksUUID) echo ${UUID};;
        open) [ ! -e refuse-open ] || { cat refuse-open >&2; rm refuse-open; exit 2; }
          for name; do :; done
          mkdir -p sys/class/block/dm-0/dm sys/class/block/vdb/holders/dm-0
          echo "$name" > sys/class/block/dm-0/dm/name; echo "${dmUuid}-$name" > sys/class/block/dm-0/dm/uuid
          echo 253:0 > sys/class/block/dm-0/dev;;
        close) rm -r sys/class/block/dm-0 sys/class/block/vdb;;
      esac`,
    );
    this.command(
      'mount',
      `[ ! -e refuse-mount ] || { cat refuse-mount >&2; exit 32; }
      echo "40 1 253:0 / $2 rw - ext4 $1 rw" >> proc/self/mountinfo`,
    );
    this.command(
      'umount',
      `[ ! -e refuse-umount ] || { cat refuse-umount >&2; exit 32; }
      grep -v " $1 rw" proc/self/mountinfo > left; cat left > proc/self/mountinfo`,
    );
    this.command(
      'keyctl',
      `case $1 in
        revoke) sed "/^\${2#0x}/d" proc/keys > left; cat left > proc/keys;;
        request) grep -q "logon  *$3:" proc/keys || { echo 'request_key: Required key not available' >&2; exit 1; };;
      esac`,
    );
    return this;
  }
}
