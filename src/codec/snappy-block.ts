/**
 * A checked decompressor of raw snappy blocks (google/snappy format_description.txt). snappyjs compresses for us, but its
 * decompressor can be sent into an endless loop: a literal length of 2 GiB or more turns negative there and steps back.
 */

const LITERAL = 0;
const COPY_1_BYTE = 1;
const COPY_2_BYTE = 2;

/** Decompresses `input` into `out`; the number of bytes, or -1 when it is not one whole valid block or does not fit. */
export function decompressSnappyBlock(input: Uint8Array, out: Uint8Array): number {
  const size = input.length;
  let from = 0;

  // A varint of at most 32 bits says how long the block will be; arithmetic, not shifts, for the fifth byte.
  let length = 0;
  for (let scale = 1; ; scale *= 128) {
    if (from >= size || from >= 5) return -1;
    const byte = input[from++];
    length += (byte & 127) * scale;
    if (byte < 128) break;
  }
  if (length > out.length) return -1;

  let to = 0;
  while (from < size) {
    const tag = input[from++];
    const kind = tag & 3;
    if (kind === LITERAL) {
      let count = (tag >>> 2) + 1;
      if (count > 60) {
        const bytes = count - 60;
        if (from + bytes > size) return -1;
        count = 1;
        for (let i = 0, scale = 1; i < bytes; i++, scale *= 256) count += input[from++] * scale;
      }
      if (count > size - from || count > length - to) return -1;
      if (count > 64) out.set(input.subarray(from, from + count), to);
      else for (let i = 0; i < count; i++) out[to + i] = input[from + i];
      from += count;
      to += count;
      continue;
    }
    let count: number;
    let distance: number;
    if (kind === COPY_1_BYTE) {
      if (from + 1 > size) return -1;
      count = ((tag >>> 2) & 7) + 4;
      distance = ((tag >>> 5) << 8) | input[from];
      from += 1;
    } else if (kind === COPY_2_BYTE) {
      if (from + 2 > size) return -1;
      count = (tag >>> 2) + 1;
      distance = input[from] | (input[from + 1] << 8);
      from += 2;
    } else {
      if (from + 4 > size) return -1;
      count = (tag >>> 2) + 1;
      distance =
        (input[from] | (input[from + 1] << 8) | (input[from + 2] << 16) | (input[from + 3] << 24)) >>> 0;
      from += 4;
    }
    if (distance === 0 || distance > to || count > length - to) return -1;
    for (let i = to - distance, end = to + count; to < end; ) out[to++] = out[i++];
  }
  return to === length ? to : -1;
}
