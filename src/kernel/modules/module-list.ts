/** The loaded modules of a kernel in a dump. */

import { count } from '../../units.ts';
import { walkList, walkLongList } from '../view/lists.ts';
import type { KernelView, StructView } from '../view/view.ts';

export interface ModuleMemory {
  readonly vaddr: bigint;
  readonly sizeBytes: number;
}

export interface Module {
  /** Of its struct module. */
  readonly vaddr: bigint;
  readonly name: string;
  /** Where it lies: its text, or its first part where that is gone. */
  readonly base: bigint;
  /** Of all its parts, as lsmod has it. */
  readonly sizeBytes: number;
  /** Each part that it has: up to v6.3 one and what is left of its initialization, later one for each kind of memory. */
  readonly memory: readonly ModuleMemory[];
  readonly state: 'live' | 'loading' | 'unloading' | 'unformed' | undefined;
  /** References; undefined where modules cannot be unloaded. */
  readonly useCount: number | undefined;
  /** Letters, as /proc/modules has them: "OE". */
  readonly taints: string;
}

export interface UsedModule extends Module {
  /** Names of the modules that need it; undefined where that is not known. */
  readonly usedBy: readonly string[] | undefined;
}

export interface ModuleList {
  /** In the order of their addresses. */
  readonly modules: readonly Module[];
  /** What was not found: one sentence each. */
  readonly gaps: readonly string[];
}

/** Source: include/linux/module.h, enum module_state. */
const STATES = ['live', 'loading', 'unloading', 'unformed'] as const;
/** By the number of the bit. Source: kernel/panic.c, taint_flags, v4.19 to v7.3. */
const TAINTS = 'PFSRMBUDAWCIOELKXTNJ';
/** MODULE_REF_BASE: what a module holds of itself while it is loaded. Source: kernel/module/main.c. */
const OWN_REFERENCES = 1;
const MAX_MODULES = 4096;
/** Entries in all lists of users; in one there are no more than modules. */
const MAX_USERS = 65_536;
const MAX_PARTS = 16;
/** MODULE_NAME_LEN */
const MAX_NAME_BYTES = 64;
const MAX_GAPS = 20;
const MAX_PART_BYTES = 2 ** 31;

/** Undefined where there is no list or layout to begin with; a kernel without modules has an empty list. */
export function listModules(view: KernelView): ModuleList | undefined {
  const head = listHead(view);
  const listField = view.field('module', 'list');
  if (listField === undefined || view.field('module', 'name') === undefined) return undefined;
  if (view.symbols !== undefined && head === undefined)
    return { modules: [], gaps: ['the kernel has no list of modules, or its head is damaged'] };
  if (head === undefined) return undefined;
  const { entries, torn } = walkList(view, head, MAX_MODULES);
  const gaps = torn === undefined ? [] : [`the list of modules is torn: ${torn}`];
  const modules: Module[] = [];
  const missing: bigint[] = [];
  for (const at of entries) {
    const vaddr = at - BigInt(listField.byteOffset);
    const module = readModule(view, vaddr);
    if (module === undefined) missing.push(vaddr);
    else modules.push(module);
  }
  if (missing.length > 0)
    gaps.push(
      `${missing.length === 1 ? '1 module is' : `${missing.length} modules are`} not in the dump, the first at 0x${missing[0]!.toString(16)}`,
    );
  modules.sort((a, b) => (a.base < b.base ? -1 : a.base > b.base ? 1 : 0));
  return { modules, gaps };
}

/** Which modules need each of them. `breathe` is called again and again, and may throw to end it. */
export async function withUsers(
  view: KernelView,
  modules: readonly Module[],
  breathe: () => Promise<void>,
): Promise<{ readonly modules: readonly UsedModule[]; readonly gaps: readonly string[] }> {
  const fields = userFields(view);
  // Of a kernel that cannot unload modules.
  if (fields === undefined)
    return { modules: modules.map((module) => ({ ...module, usedBy: [] })), gaps: [] };
  const gaps: string[] = [];
  const used: UsedModule[] = [];
  let [left, untold] = [MAX_USERS, 0];
  for (const module of modules) {
    await breathe();
    if (left === 0) {
      used.push({ ...module, usedBy: undefined });
      untold++;
      continue;
    }
    const head = module.vaddr + BigInt(fields.head);
    const { entries, torn } = await walkLongList(view, head, Math.min(MAX_MODULES, left), breathe);
    left -= entries.length;
    used.push({ ...module, usedBy: entries.flatMap((at) => userName(view, at, fields)) });
    if (torn === undefined) continue;
    if (gaps.length < MAX_GAPS) gaps.push(`the list of the users of ${module.name} is torn: ${torn}`);
    else untold++;
  }
  if (untold > 0)
    gaps.push(
      `the users of ${untold === 1 ? '1 more module' : `${count(untold)} more modules`} are not all known`,
    );
  return { modules: used, gaps };
}

/** Other symbols are called `modules` too: of several the one whose neighbours name it. */
function listHead(view: KernelView): bigint | undefined {
  const all = view.symbols?.find('modules') ?? [];
  const isNamed = (head: bigint, there: bigint, back: bigint) => {
    const neighbour = view.u64(head + there);
    return neighbour !== undefined && view.u64(neighbour + back) === head;
  };
  // One of its neighbours may not be in the dump.
  return all.find((head) => isNamed(head, 0n, 8n)) ?? all.find((head) => isNamed(head, 8n, 0n));
}

function readModule(view: KernelView, vaddr: bigint): Module | undefined {
  const module = view.struct(vaddr, 'module');
  const name = module?.text('name');
  if (module === undefined || name === undefined) return undefined;
  const memory = partsOf(view, module);
  const references = module.signed('refcnt.counter');
  const taints = module.unsigned('taints') ?? 0n;
  return {
    vaddr,
    name,
    base: memory[0]?.vaddr ?? 0n,
    sizeBytes: memory.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    memory,
    state: STATES[module.number('state') ?? -1],
    useCount: references === undefined ? undefined : Math.max(0, references - OWN_REFERENCES),
    taints: [...TAINTS].filter((_, bit) => (taints >> BigInt(bit)) & 1n).join(''),
  };
}

/** Linux commit ac3b43283923 ("module: replace module_layout with module_memory"), v6.4. */
function partsOf(view: KernelView, module: StructView): ModuleMemory[] {
  const parts: ModuleMemory[] = [];
  const add = (at: bigint | undefined, size: number | undefined) => {
    if (at !== undefined && at !== 0n && size !== undefined && size > 0 && size < MAX_PART_BYTES)
      parts.push({ vaddr: at, sizeBytes: size });
  };
  const mem = view.field('module', 'mem');
  const each = view.sizeOf('module_memory');
  if (mem?.length !== undefined && each !== undefined) {
    for (let i = 0; i < Math.min(mem.length, MAX_PARTS); i++) {
      const part = view.struct(module.vaddr + BigInt(mem.byteOffset + i * each), 'module_memory');
      add(part?.unsigned('base'), part?.number('size'));
    }
  } else {
    for (const layout of ['core_layout', 'init_layout'])
      add(module.unsigned(`${layout}.base`), module.number(`${layout}.size`));
  }
  return parts;
}

interface UserFields {
  /** Of the list in struct module. */
  readonly head: number;
  /** Of the user, behind its entry in that list. */
  readonly source: number;
  /** In struct module. */
  readonly name: number;
}

/** Source: include/linux/module.h, struct module_use: `source` uses the module whose source_list it is in. */
function userFields(view: KernelView): UserFields | undefined {
  const head = view.field('module', 'source_list');
  const link = view.field('module_use', 'source_list');
  const source = view.field('module_use', 'source');
  const name = view.field('module', 'name');
  if (head === undefined || link === undefined || source === undefined || name === undefined)
    return undefined;
  return {
    head: head.byteOffset,
    source: source.byteOffset - link.byteOffset,
    name: name.byteOffset,
  };
}

/** None where it is not in the dump. */
function userName(view: KernelView, entry: bigint, fields: UserFields): string[] {
  const user = view.u64(entry + BigInt(fields.source));
  const name = user === undefined ? undefined : view.text(user + BigInt(fields.name), MAX_NAME_BYTES);
  return name === undefined ? [] : [name];
}
