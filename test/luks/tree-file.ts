/**
 * Machines as text: one line for each file, directory or link that /proc, /sys and /dev have there.
 *
 *     proc/sys/kernel/osrelease = 6.1.0        a file of one line
 *     proc/self/mountinfo =                    a file of more lines, each behind two blanks
 *       22 1 0:20 / /proc rw - proc proc rw
 *     sys/dev/block/8:1 -> ../../devices/…     a link
 *     var/crash/                               a directory
 *     header dev/sda2 =                        a LUKS header, packed by gzip and base64
 *     dmsetup table --target crypt =           not a file, but what that prints
 */
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type CryptTargets, parseCryptTables } from '../../src/luks/target/dm-table.ts';

const TREES = resolve(import.meta.dirname, 'trees');
const DMSETUP = 'dmsetup table --target crypt';

/** Of a device only its header was recorded; so much is there in all, as a hole. */
const DEVICE_BYTES = 160 * 2 ** 20;

/** A path and what is there: text or bytes, `{ link }`, or undefined for a directory. */
export type Entries = Map<string, string | Uint8Array | { readonly link: string } | undefined>;

export function parseTree(text: string): Entries {
  const entries: Entries = new Map();
  let open: string | undefined;
  for (const line of text.split('\n')) {
    if (open !== undefined && line.startsWith('  ')) {
      entries.set(open, `${entries.get(open)}${line.slice(2)}\n`);
      continue;
    }
    open = undefined;
    if (line === '' || line.startsWith('#')) continue;
    const link = /^(.+?) -> (.+)$/.exec(line);
    const file = /^(.+?) =(?: (.*))?$/.exec(line);
    if (link !== null) entries.set(link[1], { link: link[2] });
    else if (file?.[2] !== undefined) entries.set(file[1], `${file[2]}\n`);
    else if (file !== null) {
      open = file[1];
      entries.set(open, '');
    } else if (line.endsWith('/')) entries.set(line.slice(0, -1), undefined);
    else throw new Error(`no line of a tree: ${line}`);
  }
  for (const [name, packed] of [...entries]) {
    const path = /^header (.+)$/.exec(name)?.[1];
    if (path === undefined) continue;
    entries.delete(name);
    entries.set(path, gunzipSync(Buffer.from(packed as string, 'base64')));
  }
  return entries;
}

export const treeOf = (name: string): Entries => parseTree(readFileSync(join(TREES, `${name}.tree`), 'utf8'));

/** Makes the tree below `root`; what cannot be (a file in a file) is left out. */
export function plant(entries: Entries, root: string): string {
  mkdirSync(root, { recursive: true });
  for (const [path, what] of entries) {
    if (path === DMSETUP) continue;
    const at = join(root, path);
    try {
      mkdirSync(what === undefined ? at : dirname(at), { recursive: true });
      if (typeof what === 'string' || what instanceof Uint8Array) writeFileSync(at, what);
      else if (what !== undefined) symlinkSync(what.link, at);
      if (what instanceof Uint8Array) truncateSync(at, DEVICE_BYTES);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
    }
  }
  return root;
}

export function targetsOf(entries: Entries): CryptTargets | undefined {
  const text = entries.get(DMSETUP);
  return typeof text === 'string' ? parseCryptTables(text) : undefined;
}
