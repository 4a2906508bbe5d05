/** Where members of the kernel's structures are: what BTF and DWARF both can say. */

export interface Field {
  readonly byteOffset: number;
  /** Undefined where the type does not say (an array without a length). */
  readonly sizeBytes: number | undefined;
  /** Of an array. */
  readonly length: number | undefined;
  /** Of the structure or union that it is, or that its elements are; undefined for others. */
  readonly structName: string | undefined;
  /** Of a bit field: its first bit from `byteOffset` on, and how many there are. */
  readonly bits: { readonly first: number; readonly count: number } | undefined;
}

export interface Layouts {
  /** "BTF", or the file that says it. */
  readonly from: string;
  /** Bytes of a structure or union; undefined where there is none of the name. */
  sizeOf(struct: string): number | undefined;
  /** `path`: "pid", or "se.sum_exec_runtime"; members of structures without a name are their parent's. Undefined where there is none. */
  field(struct: string, path: string): Field | undefined;
  /** Value of a constant of that enumeration, or of any. */
  constant(name: string, enumeration?: string): number | undefined;
}
