/** Key items: the directories of configfs that tell the kernel which keys to hand to the crash kernel. Linux 6.16 and later. */

import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoName, SmeltError, systemReason } from '../../errors.ts';
import { readText } from '../../sme/live/files.ts';
import type { System } from './system.ts';

/** KEY_NUM_MAX of kernel/crash_dump_dm_crypt.c. The kernel lets a 129th be made, and then restores none. */
export const MAX_ITEMS = 128;

const DIRECTORY = 'crash_dm_crypt_keys';
const AS_ROOT = 'Key items are root’s: run it as root.';

/**
 * Linux commits 180cf31af7c3 ("crash_dump: make dm crypt keys persist for the kdump kernel"), 479e58549b0f ("crash_dump: store dm
 * crypt keys in kdump reserved memory"), 9ebfa8dcaea7 ("crash_dump: reuse saved dm crypt keys for CPU/memory hot-plugging") and
 * 62f17d9df692 ("crash_dump: retrieve dm crypt keys in kdump kernel"), v6.16.
 */
export class KeyItems {
  /** As the machine itself would name it. */
  readonly path: string;
  private readonly system: System;

  constructor(system: System) {
    this.system = system;
    this.path = join(system.configfs, DIRECTORY);
  }

  /** Only the crash kernel has `restore`, and it has nothing else. */
  isCrashKernel(): boolean {
    return this.has('restore');
  }

  isThere(): boolean {
    return this.list() !== undefined;
  }

  /** @throws SmeltError where there is no interface, not the one of the kernel that is asked for, or not for this user */
  require(which: 'first kernel' | 'crash kernel'): void {
    if (!this.isThere()) throw this.whyNotThere();
    if (this.isCrashKernel() === (which === 'crash kernel')) {
      this.requireAccess();
      return;
    }
    throw new SmeltError(
      'KEY',
      which === 'first kernel'
        ? `this is the crash kernel: ${this.path} has restore and takes no key items`
        : `this is not the crash kernel: ${this.path} has no restore`,
      {
        hint: which === 'first kernel' ? 'Here keys are restored.' : 'Keys are restored after a crash only.',
      },
    );
  }

  /** To others than root even its keys do not show, so that they would be told of a key that is missing. */
  private requireAccess(): void {
    try {
      accessSync(this.at(''), constants.W_OK);
    } catch (error) {
      throw this.failed('nothing can be changed', error);
    }
  }

  /** In the order of their names. */
  names(): string[] {
    const entries = this.list() ?? [];
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  }

  /** Undefined where nothing was written yet: the kernel prints its null pointer. */
  description(name: string): string | undefined {
    const content = this.read(join(name, 'description'));
    if (content === undefined) return undefined;
    const text = content.replace(/\n$/, '');
    return text === '(null)' || text === '' ? undefined : text;
  }

  /** How many items the kernel counts; undefined where it does not say. */
  count(): number | undefined {
    const text = this.read('count')?.trim();
    return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  }

  /** Makes an item, without a description yet: as it is, it makes kexec fail. */
  make(name: string): void {
    try {
      mkdirSync(this.at(name));
    } catch (error) {
      throw this.failed(`key item ${name} cannot be made`, error);
    }
  }

  /** Writes the description and reads it back. */
  describe(name: string, description: string): void {
    const wrote = this.write(join(name, 'description'), description);
    if (wrote !== undefined) throw this.failed(`key item ${name} takes no description`, wrote);
    if (this.description(name) === description) return;
    throw new SmeltError('KEY', `${join(this.path, name)}/description does not say what was written to it`, {
      hint: 'Remove the item, and do not load a crash kernel with it.',
    });
  }

  /** Whether there was one to remove. */
  remove(name: string): boolean {
    try {
      rmdirSync(this.at(name));
      return true;
    } catch (error) {
      if (errnoName(error) === 'ENOENT') return false;
      throw this.failed(`key item ${name} cannot be removed`, error);
    }
  }

  /** False where the kernel refuses (EINVAL), as it does without a crash kernel loaded with keys. */
  setReuse(on: boolean): boolean {
    const error = this.write('reuse', on ? '1' : '0');
    if (error === undefined) return true;
    if (errnoName(error) === 'EINVAL') return false;
    throw this.failed('reuse cannot be set', error);
  }

  /**
   * Has the kernel put the keys into the user keyring. The write succeeds whether or not there were any. It does nothing where it was
   * done before, so that is forgotten first.
   */
  restore(): void {
    for (const value of this.read('restore')?.trim() === '1' ? ['0', '1'] : ['1']) {
      const error = this.write('restore', value);
      if (error !== undefined) throw this.failed('keys cannot be restored', error);
    }
  }

  private at(name: string): string {
    return join(this.system.root, this.path, name);
  }

  private has(name: string): boolean {
    return (this.list() ?? []).some((entry) => entry.name === name);
  }

  private list() {
    try {
      return readdirSync(this.at(''), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(errnoName(error) ?? '')) return undefined;
      throw this.failed('key items cannot be listed', error);
    }
  }

  private read(name: string): string | undefined {
    const content = readText(this.system.root, join(this.path, name));
    return 'value' in content ? content.value : undefined;
  }

  /** In one write, as the kernel takes each for the whole; never through a link. */
  protected write(name: string, text: string): unknown {
    const { O_WRONLY, O_TRUNC, O_NOFOLLOW } = constants;
    let fd: number | undefined;
    try {
      fd = openSync(this.at(name), O_WRONLY | O_TRUNC | O_NOFOLLOW);
      writeSync(fd, text);
      return undefined;
    } catch (error) {
      return error;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  private failed(what: string, error: unknown): SmeltError {
    const denied = ['EACCES', 'EPERM'].includes(errnoName(error) ?? '');
    return new SmeltError('KEY', `${this.path}: ${what}: ${systemReason(error)}`, {
      hint: denied ? AS_ROOT : 'The kernel log (`dmesg`) may say why.',
      cause: error,
    });
  }

  private whyNotThere(): SmeltError {
    const { root, configfs } = this.system;
    const kinds = readText(root, '/proc/filesystems');
    const mounts = readText(root, '/proc/mounts');
    const isKnown = 'value' in kinds && /\tconfigfs$/m.test(kinds.value);
    const isMounted =
      'value' in mounts && mounts.value.split('\n').some((line) => line.split(' ')[2] === 'configfs');
    if (isKnown && !isMounted) {
      return new SmeltError('KEY', `configfs is not mounted at ${configfs}`, {
        hint: `\`mount -t configfs configfs ${configfs}\` mounts it.`,
      });
    }
    return new SmeltError(
      'UNSUPPORTED',
      `this kernel hands no keys to a crash kernel: there is no ${this.path}`,
      {
        hint: 'It takes Linux 6.16 or later with CONFIG_CRASH_DM_CRYPT; without it, `smelt luks unlock --key-file` opens the volume in the crash kernel.',
      },
    );
  }
}
