/**
 * LZO1X blocks in TypeScript, for machines without liblzo2. Written from the description of the stream in Linux's
 * Documentation/staging/lzo.rst; bitstream version 0 only, never LZO-RLE.
 *
 * A block is instructions, each "copy `length` bytes from `distance` back, then take the next 0 to 3 bytes as they are", or
 * "take this many bytes (4 or more) as they are". The 0 to 3 sit in the low bits of the instruction's byte before its last,
 * whatever the instruction, so the compressor fills them in afterwards. What a byte below 16 means depends on how many bytes
 * the instruction before it took as they are; `state` keeps that (4: a run of 4 or more).
 */

/** Matches are at least this long: the hash is of 4 bytes. */
const MIN_MATCH = 4;
/** The farthest each instruction reaches, shortest instruction first. */
const NEAR_DISTANCE = 2048;
const MID_DISTANCE = 16384;
const FAR_DISTANCE = 49151;
/** The longest copy whose length fits into the instruction's own byte. */
const NEAR_LENGTH = 8;
const MID_LENGTH = 33;
const FAR_LENGTH = 9;

/** Room after a scratch buffer's last byte, so that 4 bytes can be moved at a time without looking. */
const SLACK = 16;

/** The room a compressed block may need; the same bound as liblzo2's, so that callers need not know who compresses. */
export function lzo1xBound(size: number): number {
  return size + (size >>> 4) + 67;
}

/** A private buffer with its view, which grows to the largest block seen and is then reused. */
class Scratch {
  bytes = new Uint8Array(0);
  view = new DataView(this.bytes.buffer);

  /** Makes room for `size` bytes and the slack; what was in it is gone if it grew. */
  reserve(size: number): void {
    if (this.bytes.length >= size + SLACK) return;
    this.bytes = new Uint8Array(size + SLACK);
    this.view = new DataView(this.bytes.buffer);
  }
}

/** A greedy compressor: one candidate a hash, no search. It keeps its table and buffers from block to block. */
export class Lzo1xCompressor {
  readonly #source = new Scratch();
  readonly #target = new Scratch();
  /** Where a hash was last seen, as #epoch + position: entries of earlier blocks lie below #epoch and need no clearing. */
  #table = new Int32Array(0);
  #epoch = 0;
  #hashBits = 0;

  /** Compresses `block` into `out` and returns the number of bytes, or 0 when they would not be fewer than the block's own. */
  compress(block: Uint8Array, out: Uint8Array): number {
    const size = block.length;
    if (size === 0) return 0;
    this.#source.reserve(size);
    this.#target.reserve(lzo1xBound(size));
    this.#prepareTable(size);
    this.#source.bytes.set(block);
    const written = this.#encode(size);
    this.#epoch += size;
    if (written >= size || written > out.length) return 0;
    out.set(this.#target.bytes.subarray(0, written));
    return written;
  }

  #prepareTable(size: number): void {
    // 4096 entries see most of a 4 KiB page; a larger table only costs cache. Larger pages repay 16384.
    const hashBits = size <= 8192 ? 12 : 14;
    if (hashBits > this.#hashBits) {
      this.#table = new Int32Array(1 << hashBits);
      this.#hashBits = hashBits;
      this.#epoch = 1;
    } else if (this.#epoch + size > 0x7fff_0000) {
      this.#table.fill(0);
      this.#epoch = 1;
    }
  }

  #encode(size: number): number {
    const source = this.#source.bytes;
    const sourceView = this.#source.view;
    const target = this.#target.bytes;
    const table = this.#table;
    const epoch = this.#epoch;
    const shift = 32 - this.#hashBits;
    const lastStart = size - MIN_MATCH;

    let to = 0;
    let taken = 0; // everything before it is in the output
    let at = 0;
    while (at <= lastStart) {
      const four = sourceView.getInt32(at, true);
      const slot = Math.imul(four, 0x9e3779b1) >>> shift;
      let candidate = table[slot] - epoch;
      table[slot] = epoch + at;
      if (candidate < 0 || at - candidate > FAR_DISTANCE || sourceView.getInt32(candidate, true) !== four) {
        // The longer nothing matches, the larger the steps: random bytes are passed quickly.
        at += 1 + ((at - taken) >> 5);
        continue;
      }
      const distance = at - candidate;

      let end = at + MIN_MATCH;
      candidate += MIN_MATCH;
      let differing = 0;
      while (end <= lastStart) {
        differing = sourceView.getInt32(end, true) ^ sourceView.getInt32(candidate, true);
        if (differing !== 0) break;
        end += 4;
        candidate += 4;
      }
      if (differing !== 0) end += (31 - Math.clz32(differing & -differing)) >>> 3;
      else while (end < size && source[end] === source[candidate++]) end++;
      while (at > taken && at > distance && source[at - 1] === source[at - 1 - distance]) at--;

      to = this.#putLiterals(to, taken, at);
      to = putCopy(target, to, distance, end - at);
      if (to >= size) return size;
      at = end;
      taken = end;
      if (at <= lastStart) {
        // One more position inside the match keeps runs of records findable.
        table[Math.imul(sourceView.getInt32(at - 2, true), 0x9e3779b1) >>> shift] = epoch + at - 2;
      }
    }
    to = this.#putLiterals(to, taken, size);
    // The end of the stream: the far copy with a distance that cannot be.
    target[to] = 17;
    target[to + 1] = 0;
    target[to + 2] = 0;
    return to + 3;
  }

  #putLiterals(to: number, from: number, until: number): number {
    const target = this.#target.bytes;
    const count = until - from;
    if (count === 0) return to;
    if (to === 0 && count <= 238) {
      // The first byte has an encoding of its own. It is never 17, which would name a bitstream version.
      target[to++] = 17 + count;
    } else if (count <= 3 && to > 0) {
      target[to - 2] |= count;
    } else if (count <= 18) {
      target[to++] = count - 3;
    } else {
      target[to++] = 0;
      to = putLongLength(target, to, count - 18);
    }
    const source = this.#source.view;
    const view = this.#target.view;
    for (let i = 0; i < count; i += 4) view.setInt32(to + i, source.getInt32(from + i, true), true);
    return to + count;
  }
}

function putCopy(target: Uint8Array, to: number, distance: number, length: number): number {
  if (length <= NEAR_LENGTH && distance <= NEAR_DISTANCE) {
    const back = distance - 1;
    target[to] = ((length - 1) << 5) | ((back & 7) << 2);
    target[to + 1] = back >>> 3;
    return to + 2;
  }
  let back: number;
  if (distance <= MID_DISTANCE) {
    back = distance - 1;
    if (length <= MID_LENGTH) target[to++] = 32 | (length - 2);
    else {
      target[to++] = 32;
      to = putLongLength(target, to, length - MID_LENGTH);
    }
  } else {
    back = distance - MID_DISTANCE;
    const instruction = 16 | ((back >>> 11) & 8);
    back &= 0x3fff;
    if (length <= FAR_LENGTH) target[to++] = instruction | (length - 2);
    else {
      target[to++] = instruction;
      to = putLongLength(target, to, length - FAR_LENGTH);
    }
  }
  target[to] = (back << 2) & 0xff;
  target[to + 1] = back >>> 6;
  return to + 2;
}

/** What is left of a length: a zero byte for each 255, then 1 to 255. */
function putLongLength(target: Uint8Array, to: number, rest: number): number {
  while (rest > 255) {
    target[to++] = 0;
    rest -= 255;
  }
  target[to] = rest;
  return to + 1;
}

/** Copies longer than this are worth a call of a built-in function. */
const BUILTIN_COPY = 64;

/** A decompressor of untrusted blocks. It works in buffers of its own: `out` is written only once a whole block was valid. */
export class Lzo1xDecompressor {
  readonly #source = new Scratch();
  readonly #target = new Scratch();

  /** Decompresses `input` into `out`; the number of bytes, or -1 when it is not one whole valid stream or does not fit. */
  decompress(input: Uint8Array, out: Uint8Array): number {
    this.#source.reserve(input.length);
    this.#target.reserve(out.length);
    this.#source.bytes.set(input);
    const written = this.#decode(input.length, out.length);
    if (written > 0) out.set(this.#target.bytes.subarray(0, written));
    return written;
  }

  #decode(size: number, room: number): number {
    const source = this.#source.bytes;
    const sourceView = this.#source.view;
    const target = this.#target.bytes;
    const targetView = this.#target.view;

    // Whatever an instruction is, the 3 bytes of the end mark are still to come or are it. So if 3 bytes are left before
    // each instruction, its fixed part (at most 3 bytes) needs no checks of its own.
    const lastInstruction = size - 3;
    let from = 0;
    let to = 0;
    let state = 0;
    let literals = 0;

    if (size > 0 && source[0] > 17) {
      from = 1;
      literals = source[0] - 17;
      state = Math.min(literals, 4);
    }
    for (;;) {
      if (literals > 0) {
        if (from + literals > lastInstruction || to + literals > room) return -1;
        if (literals > BUILTIN_COPY) target.set(source.subarray(from, from + literals), to);
        else {
          for (let i = 0; i < literals; i += 4) {
            targetView.setInt32(to + i, sourceView.getInt32(from + i, true), true);
          }
        }
        from += literals;
        to += literals;
      }
      if (from > lastInstruction) return -1;

      const instruction = source[from++];
      let length: number;
      let distance: number;
      if (instruction >= 64) {
        length = (instruction >>> 5) + 1;
        distance = ((instruction >>> 2) & 7) + (source[from++] << 3) + 1;
        state = instruction & 3;
      } else if (instruction >= 16) {
        const far = instruction < 32;
        const mask = far ? 7 : 31;
        length = instruction & mask;
        if (length === 0) {
          length = mask;
          while (from < size && source[from] === 0) {
            length += 255;
            from++;
          }
          length += source[from++];
          if (from + 2 > size) return -1;
        }
        length += 2;
        const operand = source[from] | (source[from + 1] << 8);
        from += 2;
        state = operand & 3;
        distance = operand >>> 2;
        if (far) {
          distance += (instruction & 8) << 11;
          if (distance === 0) return from === size ? to : -1;
          distance += MID_DISTANCE;
        } else distance += 1;
      } else if (state === 0) {
        literals = instruction;
        if (literals === 0) {
          literals = 15;
          while (from < size && source[from] === 0) {
            literals += 255;
            from++;
          }
          literals += source[from++];
        }
        literals += 3;
        state = 4;
        continue;
      } else {
        // Few compressors make these: 2 bytes from within 1 KiB, or after a long run 3 bytes from the third KiB.
        length = state === 4 ? 3 : 2;
        distance = (source[from++] << 2) + (instruction >>> 2) + (state === 4 ? NEAR_DISTANCE + 1 : 1);
        state = instruction & 3;
      }

      if (distance > to || to + length > room) return -1;
      copyBack(target, targetView, to, distance, length);
      to += length;
      literals = state;
    }
  }
}

/** Copies `length` bytes to `to` from `distance` before it; where they overlap the copied bytes repeat. */
function copyBack(target: Uint8Array, view: DataView, to: number, distance: number, length: number): void {
  const from = to - distance;
  if (length > BUILTIN_COPY && distance === 1) target.fill(target[from], to, to + length);
  else if (length > BUILTIN_COPY && distance >= length) target.copyWithin(to, from, from + length);
  else if (distance >= 4) {
    for (let i = 0; i < length; i += 4) view.setInt32(to + i, view.getInt32(from + i, true), true);
  } else {
    for (let i = 0; i < length; i++) target[to + i] = target[from + i];
  }
}
