/** Names of whom pages belong to: slab caches, and files in the page cache. All of it by the kernel's own layouts. */

import type { KernelView } from '../view/view.ts';

export interface SlabCache {
  readonly name: string;
  readonly objectBytes: number | undefined;
}

export interface CachedFile {
  /** "ext4", "tmpfs". */
  readonly fileSystem: string | undefined;
  /** What the file system is on or called: "vda1", "tmpfs". */
  readonly device: string | undefined;
  readonly inode: number | undefined;
  /** From the file system's root on; undefined where no name is held in memory. */
  readonly path: string | undefined;
  readonly sizeBytes: number | undefined;
}

const MAX_NAME_BYTES = 256;
/** Directories above a file. */
const MAX_DEPTH = 64;
const POINTER_BYTES = 8;

/** Where struct page has its cache: in struct slab, which lies over it since v5.17 (Linux commit d122019bf061, "mm: Split slab into its own type"). */
export function slabCacheOffset(view: KernelView): number | undefined {
  return (view.field('slab', 'slab_cache') ?? view.field('page', 'slab_cache'))?.byteOffset;
}

/** Undefined where there is no such cache. */
export function slabCacheAt(view: KernelView, vaddr: bigint): SlabCache | undefined {
  const cache = view.struct(vaddr, 'kmem_cache');
  const pointer = cache?.unsigned('name');
  const name = pointer === undefined ? undefined : view.text(pointer, MAX_NAME_BYTES);
  if (cache === undefined || name === undefined || name === '') return undefined;
  return { name, objectBytes: cache.number('object_size') };
}

/** `vaddr`: of the struct address_space that the pages name. Undefined where it leads to no inode. */
export function fileAt(view: KernelView, vaddr: bigint): CachedFile | undefined {
  const host = member(view, vaddr, 'address_space', 'host');
  if (host === undefined || host === 0n) return undefined;
  const inode = view.struct(host, 'inode');
  if (inode === undefined) return undefined;
  const superBlock = inode.unsigned('i_sb');
  const block = superBlock === undefined ? undefined : view.struct(superBlock, 'super_block');
  const type = block?.unsigned('s_type');
  const typeName = type === undefined ? undefined : member(view, type, 'file_system_type', 'name');
  return {
    fileSystem: typeName === undefined ? undefined : view.text(typeName, MAX_NAME_BYTES),
    device: block?.text('s_id'),
    inode: inode.number('i_ino'),
    path: pathOf(view, inode.unsigned('i_dentry.first') ?? inode.unsigned('i_dentry')),
    sizeBytes: inode.number('i_size'),
  };
}

/** `link`: the hlist node of its first directory entry. */
function pathOf(view: KernelView, link: bigint | undefined): string | undefined {
  const inEntry = (view.field('dentry', 'd_u.d_alias') ?? view.field('dentry', 'd_alias'))?.byteOffset;
  if (link === undefined || link === 0n || inEntry === undefined) return undefined;
  const names: string[] = [];
  let at = link - BigInt(inEntry);
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const entry = view.struct(at, 'dentry');
    const parent = entry?.unsigned('d_parent');
    const pointer = entry?.unsigned('d_name.name');
    if (parent === undefined || pointer === undefined) return undefined;
    const name = view.text(pointer, MAX_NAME_BYTES);
    if (name === undefined) return undefined;
    // What has no place in a tree (memfd, SysV shared memory) is its own root, and has a name.
    if (parent === at) return names.length === 0 ? name : `/${names.join('/')}`;
    names.unshift(name);
    at = parent;
  }
  return `…/${names.join('/')}`;
}

function member(view: KernelView, vaddr: bigint, struct: string, name: string): bigint | undefined {
  const field = view.field(struct, name);
  return field?.sizeBytes === POINTER_BYTES ? view.u64(vaddr + BigInt(field.byteOffset)) : undefined;
}
