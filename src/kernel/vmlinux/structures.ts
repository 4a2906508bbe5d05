/** Layouts of structures by the debug information of a vmlinux, for kernels that carry no BTF. */

import type { FoundNames } from '../../read/debug/find.ts';
import type { Type, Types } from '../../read/debug/types.ts';
import type { Field, Layouts } from '../view/layouts.ts';

/** Structures that somebody here asks for: debug information is looked through once, for all of them. */
export const STRUCTURES: readonly string[] = [
  ...['task_struct', 'signal_struct', 'mm_struct', 'percpu_counter', 'rq', 'cpumask'],
  ...['inactive_task_frame', 'pcpu_hot', 'cea_exception_stacks', 'orc_entry'],
  ...['module', 'module_memory', 'module_use', 'mod_kallsyms', 'list_head', 'pglist_data'],
];
/** Members within members. */
const MAX_PARTS = 8;

export class DwarfLayouts implements Layouts {
  readonly from: string;
  private readonly types: Types;
  private readonly found: FoundNames;
  private readonly fields = new Map<string, Field | undefined>();

  constructor(path: string, types: Types, found: FoundNames) {
    this.from = path;
    this.types = types;
    this.found = found;
  }

  sizeOf(struct: string): number | undefined {
    const type = this.named(struct);
    return type && this.types.sizeOf(type);
  }

  field(struct: string, path: string): Field | undefined {
    const key = `${struct}.${path}`;
    if (!this.fields.has(key)) this.fields.set(key, this.findField(struct, path));
    return this.fields.get(key);
  }

  constant(name: string, enumeration?: string): number | undefined {
    for (const [its, entry] of this.found.enumerations) {
      if (enumeration !== undefined && its !== enumeration) continue;
      const value = this.types.enumerators(entry).get(name);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** Bit fields are left out: where their bits are is not read. */
  private findField(struct: string, path: string): Field | undefined {
    let type = this.named(struct);
    let field: Field | undefined;
    for (const part of path.split('.').slice(0, MAX_PARTS)) {
      if (type?.kind !== 'structure' && type?.kind !== 'union') return undefined;
      const member = this.types.member(type.entry, part);
      if (member === undefined || member.isBitField) return undefined;
      const own = this.types.at(member.type);
      const { element, length } = this.elementOf(own);
      const isStruct = element.kind === 'structure' || element.kind === 'union';
      const sizeBytes = this.types.sizeOf(own);
      field = {
        byteOffset: (field?.byteOffset ?? 0) + member.byteOffset,
        sizeBytes: length === 0 ? undefined : sizeBytes,
        length,
        structName: isStruct ? element.name : undefined,
        bits: undefined,
      };
      type = own;
    }
    return field;
  }

  private elementOf(type: Type): { element: Type; length: number | undefined } {
    let element = type;
    let length: number | undefined;
    for (let depth = 0; depth < MAX_PARTS && element.kind === 'array'; depth++) {
      length = (length ?? 1) * (element.length ?? 0);
      element = this.types.at(element.of);
    }
    return { element, length };
  }

  private named(name: string): Type | undefined {
    const entry = this.found.structures.get(name) ?? this.found.typedefs.get(name);
    return entry === undefined ? undefined : this.types.at(entry);
  }
}
