/** What every codec promises, whoever makes it: round trips, exact sizes, and no harm from a broken stream. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CODEC_NAMES, MAKER_KINDS, type PageCodec } from '../../src/codec/codec.ts';
import { CODEC_MAKERS, openCodec, openDecompressor } from '../../src/codec/makers.ts';
import { SmeltError } from '../../src/errors.ts';
import { compressed, describeMakers, describePairs } from './opened.ts';
import { embedded, guarded, PAGE_KINDS, PAGE_SIZES, randomBytes } from './pages.ts';

const pageOfAnySort = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 6000 }),
  // Few values: many matches at all distances and lengths.
  fc
    .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 1, maxLength: 6000 })
    .map((b) => Uint8Array.from(b)),
  // Runs and repetitions.
  fc
    .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 90 })), {
      maxLength: 60,
    })
    .map((parts) => Buffer.concat(parts.flatMap(([unit, times]) => Array<Uint8Array>(times).fill(unit))))
    .filter((b) => b.length > 0),
);

/** Compresses into a guarded buffer of exactly `outSize`, decompresses into one of exactly the page's size. */
function roundTrip(writer: PageCodec, reader: PageCodec, page: Uint8Array): number {
  const out = guarded(writer.outSize(page.length));
  const given = embedded(page);
  const written = writer.compress(given, out.view);
  expect(out.intact()).toBe(true);
  expect(Buffer.compare(given, page)).toBe(0);
  expect(written).toBeLessThan(page.length);
  if (written === 0) return 0;
  const back = guarded(page.length);
  expect(reader.decompress(embedded(out.view.subarray(0, written)), back.view)).toBe(page.length);
  expect(Buffer.compare(back.view, page)).toBe(0);
  expect(back.intact()).toBe(true);
  return written;
}

describeMakers('gives back the pages it was given', (codec) => {
  for (const size of PAGE_SIZES) {
    for (const [kind, make] of Object.entries(PAGE_KINDS)) {
      it(`when they are ${kind}, ${size} bytes`, () => {
        const page = make(size);
        const written = roundTrip(codec, codec, page);
        if (kind === 'random bytes') expect(written).toBe(0);
        if (kind === 'zeros') expect(written).toBeGreaterThan(0);
        if (kind === 'zeros') expect(written).toBeLessThan(size / 20);
        if (kind === 'text' || kind === 'kernel structs') expect(written).toBeGreaterThan(0);
      });
    }
  }

  it('whatever is in them', () => {
    fc.assert(
      fc.property(pageOfAnySort, (page) => {
        roundTrip(codec, codec, page);
      }),
      { numRuns: 300 },
    );
  });

  it('when they lie in shared memory or in a Buffer', () => {
    const page = PAGE_KINDS['kernel structs'](4096);
    const shared = new Uint8Array(new SharedArrayBuffer(5000), 11, 4096);
    shared.set(page);
    const out = new Uint8Array(new SharedArrayBuffer(codec.outSize(4096) + 5), 5);
    const written = codec.compress(shared, out);
    expect(written).toBeGreaterThan(0);
    const back = Buffer.alloc(4096);
    expect(codec.decompress(Buffer.from(out.slice(0, written)), back)).toBe(4096);
    expect(back.equals(page)).toBe(true);
  });
});

describePairs('is the same format, whoever made it', (native, portable) => {
  for (const size of PAGE_SIZES) {
    for (const [kind, make] of Object.entries(PAGE_KINDS)) {
      it(`for ${kind}, ${size} bytes`, () => {
        roundTrip(native, portable, make(size));
        roundTrip(portable, native, make(size));
      });
    }
  }

  it('for whatever is in a page', () => {
    fc.assert(
      fc.property(pageOfAnySort, (page) => {
        roundTrip(native, portable, page);
        roundTrip(portable, native, page);
      }),
      { numRuns: 300 },
    );
  });

  it('and what both can read of a damaged stream is the same', () => {
    const whole = PAGE_KINDS.text(4096);
    const stream = compressed(native, whole)!;
    fc.assert(
      fc.property(damageTo(stream.length), (damage) => {
        const broken = damage(stream);
        const a = new Uint8Array(4096);
        const b = new Uint8Array(4096);
        const byNative = native.decompress(broken, a);
        const byPortable = portable.decompress(broken, b);
        if (native.name === 'lzo' || native.name === 'snappy') expect(byPortable).toBe(byNative);
        if (byNative < 0 || byPortable < 0) return;
        expect(byPortable).toBe(byNative);
        expect(Buffer.compare(a.subarray(0, byNative), b.subarray(0, byNative))).toBe(0);
      }),
      { numRuns: 3000 },
    );
  });
});

/** A change to a stream: bytes overwritten, cut off, put in or added. */
function damageTo(length: number): fc.Arbitrary<(stream: Uint8Array) => Uint8Array> {
  const at = fc.oneof(fc.nat(length - 1), fc.nat(Math.min(20, length - 1)));
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 6 });
  return fc.oneof(
    fc.tuple(at, bytes).map(([i, b]) => (stream: Uint8Array) => {
      const copy = Uint8Array.from(stream);
      copy.set(b.subarray(0, copy.length - i), i);
      return copy;
    }),
    fc.tuple(at, bytes).map(
      ([i, b]) =>
        (stream: Uint8Array) =>
          Buffer.concat([stream.subarray(0, i), b, stream.subarray(i)]),
    ),
    fc.tuple(at, fc.integer({ min: 1, max: 9 })).map(
      ([i, n]) =>
        (stream: Uint8Array) =>
          Buffer.concat([stream.subarray(0, i), stream.subarray(i + n)]),
    ),
    bytes.map((b) => (stream: Uint8Array) => Buffer.concat([stream, b])),
  );
}

describeMakers('does no harm with a stream that is not valid', (codec) => {
  const page = PAGE_KINDS.text(4096);
  const stream = compressed(codec, page)!;

  function decompressGuarded(input: Uint8Array, room = 4096): number {
    const out = guarded(room);
    const written = codec.decompress(embedded(input), out.view);
    expect(out.intact()).toBe(true);
    expect(written).toBeGreaterThanOrEqual(-1);
    expect(written).toBeLessThanOrEqual(room);
    return written;
  }

  it('when it is cut off anywhere', () => {
    for (let length = 0; length < stream.length; length++) {
      expect(decompressGuarded(stream.subarray(0, length)), `the first ${length} bytes`).toBe(-1);
    }
  });

  it('when something follows it', () => {
    expect(decompressGuarded(stream)).toBe(4096);
    expect(decompressGuarded(Buffer.concat([stream, Buffer.from([0])]))).toBe(-1);
    expect(decompressGuarded(Buffer.concat([stream, Buffer.from('more than that')]))).toBe(-1);
    expect(decompressGuarded(Buffer.concat([stream, stream]))).toBe(-1);
  });

  it('when it would not fit', () => {
    for (const room of [0, 1, 64, 4032, 4095]) expect(decompressGuarded(stream, room)).toBe(-1);
    expect(decompressGuarded(compressed(codec, new Uint8Array(65536))!)).toBe(-1);
    expect(decompressGuarded(compressed(codec, PAGE_KINDS['kernel structs'](65536))!)).toBe(-1);
  });

  it('when there is more room than it needs, which is no fault', () => {
    expect(decompressGuarded(stream, 8192)).toBe(4096);
  });

  it('when it was damaged', () => {
    fc.assert(
      fc.property(damageTo(stream.length), (damage) => {
        decompressGuarded(damage(stream));
      }),
      { numRuns: 2000 },
    );
  });

  it('when it was never one', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (garbage) => {
        decompressGuarded(garbage);
      }),
      { numRuns: 2000 },
    );
    for (let seed = 1; seed < 200; seed++) expect(decompressGuarded(randomBytes(4096, seed * 77))).toBe(-1);
    expect(decompressGuarded(new Uint8Array(4096))).toBe(-1);
  });

  it('and still works afterwards', () => {
    decompressGuarded(randomBytes(4096, 5));
    roundTrip(codec, codec, page);
  });
});

describeMakers('keeps to what it was lent', (codec) => {
  it('refuses to compress into less room than it said it needs', () => {
    const out = guarded(codec.outSize(4096) - 1);
    expect(() => codec.compress(new Uint8Array(4096), out.view)).toThrow(SmeltError);
    expect(out.intact()).toBe(true);
  });

  it('makes nothing of an empty page or an empty stream', () => {
    expect(codec.compress(new Uint8Array(0), new Uint8Array(codec.outSize(0)))).toBe(0);
    expect(codec.decompress(new Uint8Array(0), new Uint8Array(16))).toBe(-1);
  });
});

describe('openCodec', () => {
  it('takes the native maker where there is one, else the portable one', async () => {
    for (const name of CODEC_NAMES) {
      const native = await CODEC_MAKERS[name].native.create(undefined);
      const chosen = await openCodec(name);
      expect(chosen.kind).toBe('unavailable' in native ? 'portable' : 'native');
      chosen.close();
    }
  });

  it('makes the kind that is asked for', async () => {
    for (const name of CODEC_NAMES) {
      const portable = await openCodec(name, { kind: 'portable' });
      expect(portable).toMatchObject({ name, kind: 'portable' });
      portable.close();
    }
  });

  it('compresses harder at a higher level', async () => {
    const page = PAGE_KINDS['kernel structs'](65536);
    for (const name of ['zstd', 'zlib'] as const) {
      for (const kind of MAKER_KINDS) {
        const made = await CODEC_MAKERS[name][kind].create(9);
        if ('unavailable' in made) continue;
        const fast = await openCodec(name, { kind, level: 1 });
        const usual = await openCodec(name, { kind });
        const slow = await openCodec(name, { kind, level: 9 });
        expect(compressed(slow, page)!.length).toBeLessThan(compressed(fast, page)!.length);
        expect(compressed(usual, page)).toEqual(compressed(fast, page));
        for (const each of [made, fast, usual, slow]) each.close();
      }
    }
  });

  it('has memory enough for the largest pages at every level, again and again', async () => {
    const page = PAGE_KINDS.text(65536);
    for (const kind of MAKER_KINDS) {
      for (let level = 1; level <= 19; level++) {
        const made = await CODEC_MAKERS.zstd[kind].create(level);
        if ('unavailable' in made) continue;
        roundTrip(made, made, page);
        made.close();
      }
    }
  });

  it('refuses a level the codec does not have before it looks for a maker', async () => {
    await expect(openCodec('zstd', { level: 20 })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(openCodec('lzo', { level: 1 })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(openCodec('zlib', { level: 12, kind: 'portable' })).rejects.toThrow(
      'zlib has the levels 1 to 9 with the portable maker, saw 12, which only the native maker has',
    );
  });

  it('may be closed twice', async () => {
    for (const name of CODEC_NAMES) {
      const codec = await openCodec(name);
      codec.close();
      codec.close();
    }
  });

  it('keeps two codecs of one thread apart', async () => {
    for (const name of CODEC_NAMES) {
      for (const kind of MAKER_KINDS) {
        const made = await CODEC_MAKERS[name][kind].create(undefined);
        if ('unavailable' in made) continue;
        const other = await openCodec(name, { kind });
        roundTrip(made, other, PAGE_KINDS.text(4096));
        other.close();
        roundTrip(made, made, PAGE_KINDS.text(65536));
        made.close();
      }
    }
  });
});

describe('openDecompressor', () => {
  it('reads what openCodec wrote', async () => {
    for (const name of CODEC_NAMES) {
      const writer = await openCodec(name, { kind: 'portable' });
      const reader = await openDecompressor(name);
      roundTrip(writer, reader, PAGE_KINDS.text(4096));
      writer.close();
      reader.close();
    }
  });
});
