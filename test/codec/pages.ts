/** Pages for codec tests, by what makes them hard: each a function of a seed, so that a failure can be had again. */

export const PAGE_SIZES = [4096, 65536] as const;

/** A small generator (xorshift32): the same bytes on every machine. */
export function randomBytes(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size);
  let x = seed | 1;
  for (let i = 0; i < size; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x >>> 11;
  }
  return bytes;
}

function textPage(size: number): Uint8Array {
  let text = '';
  for (let i = 0; text.length < size; i++)
    text += `[${(i * 7919) % 10007}.${i}] usb 1-${i % 9}: new device\n`;
  return Buffer.from(text.slice(0, size), 'latin1');
}

/** Records of 64 bytes, mostly zero, with a pointer and a count that change: what slabs and struct pages look like. */
function structPage(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < size; at += 64) {
    view.setBigUint64(at + 8, 0xffff888000000000n + BigInt(at * 0x1040), true);
    view.setUint32(at + 52, at % 5, true);
  }
  return bytes;
}

/** Random bytes that come again `distance` bytes later. */
function repeatAt(distance: number): (size: number) => Uint8Array {
  return (size) => {
    const bytes = new Uint8Array(size);
    const unit = randomBytes(distance, distance);
    for (let at = 0; at < size; at += distance)
      bytes.set(unit.subarray(0, Math.min(distance, size - at)), at);
    return bytes;
  };
}

export const PAGE_KINDS: Readonly<Record<string, (size: number) => Uint8Array>> = {
  zeros: (size) => new Uint8Array(size),
  'one byte value': (size) => new Uint8Array(size).fill(0xaa),
  text: textPage,
  'kernel structs': structPage,
  'random bytes': randomBytes,
  'random then zeros': (size) => {
    const bytes = new Uint8Array(size);
    bytes.set(randomBytes(size / 2));
    return bytes;
  },
  'a unit of 2 bytes': repeatAt(2),
  'a unit of 3 bytes': repeatAt(3),
  'a unit of 7 bytes': repeatAt(7),
  'a unit of 300 bytes': repeatAt(300),
  'a unit of 2048 bytes': repeatAt(2048),
  'a unit of 2049 bytes': repeatAt(2049),
  'a unit of 16384 bytes': repeatAt(16384),
  'a unit of 16385 bytes': repeatAt(16385),
  'a unit of 32768 bytes': repeatAt(32768),
  'a unit of 49151 bytes': repeatAt(49151),
  'a unit of 49152 bytes': repeatAt(49152),
};

/** A view with 64 bytes of 0xa5 on either side, and whether they are still there. */
export function guarded(size: number): { view: Uint8Array; intact: () => boolean } {
  const around = 64;
  const whole = new Uint8Array(size + 2 * around).fill(0xa5);
  const view = whole.subarray(around, around + size);
  return {
    view,
    intact: () =>
      whole.subarray(0, around).every((byte) => byte === 0xa5) &&
      whole.subarray(around + size).every((byte) => byte === 0xa5),
  };
}

/** A page at an odd offset of a larger buffer, as a reader's window hands it over. */
export function embedded(page: Uint8Array): Uint8Array {
  const whole = new Uint8Array(page.length + 74).fill(0x5a);
  whole.set(page, 37);
  return whole.subarray(37, 37 + page.length);
}
