/** Binary layouts as tables: a struct is declared once, field by field, and read and written from that declaration. */

/** One field's type: its size and alignment in bytes, and how it is read and written. */
export interface FieldType<T> {
  readonly size: number;
  readonly align: number;
  read(view: DataView, byteOffset: number, littleEndian: boolean): T;
  write(view: DataView, byteOffset: number, value: T, littleEndian: boolean): void;
}

const scalar = <T>(size: number, read: FieldType<T>['read'], write: FieldType<T>['write']): FieldType<T> => ({
  size,
  align: size,
  read,
  write,
});

export const u8 = scalar<number>(
  1,
  (v, o) => v.getUint8(o),
  (v, o, x) => v.setUint8(o, x),
);
export const u16 = scalar<number>(
  2,
  (v, o, le) => v.getUint16(o, le),
  (v, o, x, le) => v.setUint16(o, x, le),
);
export const u32 = scalar<number>(
  4,
  (v, o, le) => v.getUint32(o, le),
  (v, o, x, le) => v.setUint32(o, x, le),
);
export const i32 = scalar<number>(
  4,
  (v, o, le) => v.getInt32(o, le),
  (v, o, x, le) => v.setInt32(o, x, le),
);
/** A 64-bit value that need not be a number: addresses and signed sizes as they stand. */
export const u64 = scalar<bigint>(
  8,
  (v, o, le) => v.getBigUint64(o, le),
  (v, o, x, le) => v.setBigUint64(o, BigInt.asUintN(64, x), le),
);
export const i64 = scalar<bigint>(
  8,
  (v, o, le) => v.getBigInt64(o, le),
  (v, o, x, le) => v.setBigInt64(o, BigInt.asIntN(64, x), le),
);
/**
 * A 64-bit offset, size or count as a number. A value above 2^53 loses its last bits on reading, which keeps it far
 * outside any file, so that the bounds check that every such value has to pass still refuses it.
 */
export const size64 = scalar<number>(
  8,
  (v, o, le) => Number(v.getBigUint64(o, le)),
  (v, o, x, le) => v.setBigUint64(o, BigInt(x), le),
);

/** `length` bytes as they stand. */
export const bytes = (length: number): FieldType<Uint8Array> => ({
  size: length,
  align: 1,
  read: (v, o) => new Uint8Array(v.buffer, v.byteOffset + o, length).slice(),
  write: (v, o, x) => new Uint8Array(v.buffer, v.byteOffset + o, length).fill(0).set(x.subarray(0, length)),
});

/** A `char[length]`: read up to its first NUL, written NUL padded. One byte a character. */
export const chars = (length: number): FieldType<string> => ({
  size: length,
  align: 1,
  read: (v, o) => {
    const raw = Buffer.from(v.buffer, v.byteOffset + o, length);
    const end = raw.indexOf(0);
    return raw.toString('latin1', 0, end < 0 ? length : end);
  },
  write: (v, o, x) => {
    const raw = Buffer.from(v.buffer, v.byteOffset + o, length);
    raw.fill(0);
    raw.write(x, 0, length, 'latin1');
  },
});

type Fields = Record<string, FieldType<unknown>>;
type ValueOf<F> = F extends FieldType<infer T> ? T : never;
export type StructValue<F extends Fields> = { [K in keyof F]: ValueOf<F[K]> };

export interface Struct<F extends Fields> {
  readonly name: string;
  /** Bytes, padded at the end to the strictest alignment as a C compiler does. */
  readonly size: number;
  /** Byte offset of each field. */
  readonly offset: { readonly [K in keyof F]: number };
  read(from: Uint8Array, byteOffset?: number, littleEndian?: boolean): StructValue<F>;
  /** Writes the given fields and leaves the bytes of the others as they are. */
  write(to: Uint8Array, value: Partial<StructValue<F>>, byteOffset?: number, littleEndian?: boolean): void;
}

/** A C struct by natural alignment (the System V ABI of 64-bit machines). */
export function struct<F extends Fields>(name: string, fields: F): Struct<F> {
  const offset = {} as { [K in keyof F]: number };
  let end = 0;
  let strictest = 1;
  for (const key in fields) {
    const { size, align } = fields[key]!;
    end = Math.ceil(end / align) * align;
    offset[key] = end;
    end += size;
    strictest = Math.max(strictest, align);
  }
  const viewOf = (b: Uint8Array, o: number) => new DataView(b.buffer, b.byteOffset + o, b.byteLength - o);
  return {
    name,
    size: Math.ceil(end / strictest) * strictest,
    offset,
    read(from, byteOffset = 0, littleEndian = true) {
      const view = viewOf(from, byteOffset);
      const value = {} as StructValue<F>;
      for (const key in fields) {
        value[key] = fields[key]!.read(view, offset[key], littleEndian) as StructValue<F>[typeof key];
      }
      return value;
    },
    write(to, value, byteOffset = 0, littleEndian = true) {
      const view = viewOf(to, byteOffset);
      for (const key in value) {
        fields[key]!.write(view, offset[key], value[key], littleEndian);
      }
    },
  };
}
