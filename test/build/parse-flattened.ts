/** A flattened stream put in order, by hand from the format's description: it shares no code with src/read or src/write. */

const HEADER = 4096;
const RECORD = 16;

export interface Rearranged {
  readonly file: Buffer;
  readonly records: readonly { readonly offset: number; readonly size: number }[];
  /** Whether the end mark is there, with nothing behind it. */
  readonly whole: boolean;
}

/** Throws where the stream is no stream. What is cut short is put in order as far as it goes. */
export function rearrange(stream: Buffer): Rearranged {
  if (stream.toString('latin1', 0, 16) !== 'makedumpfile\0\0\0\0') throw new Error('no signature');
  if (stream.readBigInt64BE(16) !== 1n || stream.readBigInt64BE(24) !== 1n)
    throw new Error('type or version');
  if (stream.subarray(32, HEADER).some((byte) => byte !== 0))
    throw new Error('the header is not padded by zeros');
  const records: { offset: number; size: number; at: number }[] = [];
  let at = HEADER;
  let whole = false;
  while (at + RECORD <= stream.length) {
    const offset = Number(stream.readBigInt64BE(at));
    const size = Number(stream.readBigInt64BE(at + 8));
    at += RECORD;
    if (offset === -1 && size === -1) {
      whole = at === stream.length;
      break;
    }
    if (offset < 0 || size <= 0) throw new Error(`a record of ${size} bytes at ${offset}`);
    if (at + size > stream.length) break;
    records.push({ offset, size, at });
    at += size;
  }
  const end = records.reduce((most, { offset, size }) => Math.max(most, offset + size), 0);
  const file = Buffer.alloc(end);
  for (const { offset, size, at: from } of records) stream.copy(file, offset, from, from + size);
  return { file, records, whole };
}

/** Bytes that more than one record has. */
export function writtenTwice({ records }: Rearranged): number {
  let twice = 0;
  let behind = 0;
  for (const { offset, size } of records.toSorted((a, b) => a.offset - b.offset)) {
    twice += Math.max(0, Math.min(behind, offset + size) - offset);
    behind = Math.max(behind, offset + size);
  }
  return twice;
}
