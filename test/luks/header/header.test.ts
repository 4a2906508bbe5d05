/** Headers made by code: what they say, what is broken in them, and that nothing in them can do harm. */
import { mkdirSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLuksHeader } from '../../../src/luks/header/header.ts';
import {
  LUKS1_BYTES,
  LUKS2_BINARY_BYTES,
  Luks1Phdr,
  Luks1Slot,
  Luks2Hdr,
} from '../../../src/luks/header/layout.ts';
import type { Luks1Header, Luks2Header } from '../../../src/luks/header/report.ts';
import { tempFiles } from '../../read/temp-files.ts';
import {
  argon2,
  type Json,
  keyslot,
  luks1Image,
  luks2Image,
  metadata,
  pbkdf2,
  SIZE,
  seal,
  UUID,
} from '../luks-images.ts';

const files = tempFiles();
const read = (image: Uint8Array) => readLuksHeader(files.write(image));
const luks2 = (image: Uint8Array): Luks2Header => {
  const header = read(image);
  expect(header).toMatchObject({ version: 2 });
  return header as Luks2Header;
};
/** Of a JSON area with a change. */
const changed = (change: (json: Json) => void): Luks2Header => {
  const json = metadata();
  change(json);
  return luks2(luks2Image({ json }));
};
const states = ({ copies }: Luks2Header) => copies.map(({ state }) => state);

describe('the layouts', () => {
  it('have the sizes and offsets of the C structs', () => {
    expect(LUKS1_BYTES).toBe(592);
    expect(Luks1Phdr.offset.uuid).toBe(168);
    expect(Luks1Slot.size).toBe(48);
    expect(Luks2Hdr.size).toBe(512);
    expect(Luks2Hdr.offset).toMatchObject({ uuid: 168, hdr_offset: 256, csum: 448 });
  });
});

describe('a LUKS2 header', () => {
  it('is told as plain data', () => {
    expect(luks2(luks2Image({ label: Buffer.from('Müller').toString('latin1') }))).toEqual({
      version: 2,
      uuid: UUID,
      label: 'Müller',
      subsystem: '',
      copies: [
        { role: 'primary', byteOffset: 0, state: 'good', seqid: 3 },
        { role: 'secondary', byteOffset: SIZE, state: 'good', seqid: 3 },
      ],
      used: 'primary',
      keyslots: [
        {
          id: 0,
          active: true,
          type: 'luks2',
          priority: 'normal',
          kdf: { type: 'argon2id', time: 4, memoryKib: 65536, cpus: 2 },
          keyBytes: 64,
          areaEncryption: 'aes-xts-plain64',
          stripes: 4000,
        },
        expect.objectContaining({ id: 1, kdf: { type: 'pbkdf2', hash: 'sha256', iterations: 1000 } }),
      ],
      unlockMemoryBytes: 64 * 2 ** 20,
      segments: [
        {
          id: 0,
          type: 'crypt',
          offsetBytes: 2 ** 20,
          sizeBytes: 'dynamic',
          encryption: 'aes-xts-plain64',
          sectorBytes: 512,
          integrity: undefined,
          flags: [],
        },
      ],
      digests: [{ id: 0, type: 'pbkdf2', keyslots: [0, 1], segments: [0] }],
      tokens: [{ id: 0, type: 'systemd-tpm2', keyslots: [1] }],
      config: { jsonBytes: 12288, keyslotsBytes: 524288, flags: [], requirements: [] },
      broken: [],
    });
  });

  it('is told without salts, digests, and what else its JSON has', () => {
    const text = JSON.stringify(luks2(luks2Image()));
    expect(text).not.toMatch(/salt|c2FsdA|ZGlnZXN0|AAAA/);
  });

  it.each([
    ['argon2id and PBKDF2', [argon2(32768), pbkdf2], 32768 * 1024],
    ['two of argon2', [argon2(32768), argon2(1048576, 'argon2i')], 2 ** 30],
    ['PBKDF2 alone', [pbkdf2, pbkdf2], 0],
  ])('with %s takes the memory of the dearest', (_, [first, second], bytes) => {
    const header = changed((json) => {
      json.keyslots = { 0: keyslot(0, first), 1: keyslot(1, second) };
    });
    expect(header).toMatchObject({ broken: [], unlockMemoryBytes: bytes });
  });

  it('without keyslots leaves open what unlocking takes', () => {
    const header = changed((json) => {
      json.keyslots = {};
      json.digests[0].keyslots = [];
      json.tokens = {};
    });
    expect(header).toMatchObject({ broken: [], keyslots: [], unlockMemoryBytes: undefined });
  });

  it('tells of priorities, integrity, flags and requirements, and of a reencryption under way', () => {
    const header = changed((json) => {
      json.keyslots[0].priority = 2;
      json.keyslots[1].priority = 0;
      json.keyslots[5] = {
        type: 'reencrypt',
        key_size: 1,
        mode: 'encrypt',
        direction: 'backward',
        area: { type: 'datashift', offset: '548864', size: '4096', shift_size: '1048576' },
      };
      json.segments[0].integrity = {
        type: 'hmac(sha256)',
        journal_encryption: 'none',
        journal_integrity: 'none',
      };
      json.segments[0].size = '2097152';
      json.segments[1] = { type: 'linear', offset: '3145728', size: 'dynamic' };
      json.segments[2] = { ...json.segments[0], flags: ['backup-final'] };
      json.digests[0].segments = ['0', '2'];
      json.config.flags = ['allow-discards'];
      json.config.requirements = { mandatory: ['online-reencrypt-v2'] };
    });
    expect(header.broken).toEqual([]);
    expect(header.keyslots.map(({ priority, kdf }) => [priority, kdf?.type])).toEqual([
      ['prefer', 'argon2id'],
      ['ignore', 'pbkdf2'],
      ['normal', undefined],
    ]);
    expect(header.segments.map(({ type, integrity, flags }) => [type, integrity, flags])).toEqual([
      ['crypt', 'hmac(sha256)', []],
      ['linear', undefined, []],
      ['crypt', 'hmac(sha256)', ['backup-final']],
    ]);
    expect(header.config).toMatchObject({ flags: ['allow-discards'], requirements: ['online-reencrypt-v2'] });
  });
});

describe('of a LUKS2 header', () => {
  it('the newer copy counts, and the older one is named', () => {
    const header = luks2(luks2Image({ seqid: [5, 9] }));
    expect(header).toMatchObject({ used: 'secondary' });
    expect(states(header)).toEqual(['older', 'good']);
    expect(header.broken).toEqual(['the primary header is older (seqid 5) than the other (seqid 9)']);
  });

  it.each([0x4000, 0x8000, 0x10000, 0x20000, 0x40000, 0x80000, 0x100000, 0x200000, 0x400000])(
    'of %d bytes the secondary is found when the primary is gone',
    (sizeBytes) => {
      const json = metadata();
      json.config.json_size = String(sizeBytes - LUKS2_BINARY_BYTES);
      for (const id of [0, 1]) json.keyslots[id].area.offset = String(2 * sizeBytes + id * 258048);
      json.segments[0].offset = String(16 * 2 ** 20);
      const image = luks2Image({ json, sizeBytes });
      expect(luks2(image).broken).toEqual([]);
      image.fill(0, 0, 4096);
      const header = luks2(image);
      expect(header).toMatchObject({ used: 'secondary', uuid: UUID });
      expect(header.copies[1]).toMatchObject({ state: 'good', byteOffset: sizeBytes });
      expect(header.broken).toEqual(['the primary header is not there: byte 0 has no LUKS magic']);
    },
  );

  it.each([
    ['a flipped bit in its JSON', SIZE + 5000, /its checksum does not match/],
    ['a flipped bit in its label', SIZE + Luks2Hdr.offset.label, /its checksum does not match/],
    ['another size', SIZE + Luks2Hdr.offset.hdr_size + 7, /no header has \d+ bytes/],
    ['another version', SIZE + Luks2Hdr.offset.version, /it says version 258, not 2/],
    ['another offset', SIZE + Luks2Hdr.offset.hdr_offset + 7, /it says it begins at byte 16385/],
    ['another checksum algorithm', SIZE + Luks2Hdr.offset.checksum_alg, /checksum is of a kind/],
    ['no magic', SIZE, /is not there: byte 16384 has no LUKS magic/],
  ])('a secondary copy with %s is broken, and the primary serves', (_, at, sentence) => {
    const image = luks2Image();
    image[at] ^= 1;
    const header = luks2(image);
    expect(header).toMatchObject({ used: 'primary', broken: [expect.stringMatching(sentence)] });
    expect(states(header)).toEqual(['good', 'broken']);
    expect(header.keyslots).toHaveLength(2);
  });

  it('the secondary is found behind the remains of an older one', () => {
    const sizeBytes = 0x8000;
    const json = metadata();
    json.config.json_size = String(sizeBytes - LUKS2_BINARY_BYTES);
    for (const id of [0, 1]) json.keyslots[id].area.offset = String(2 * sizeBytes + id * 258048);
    const image = luks2Image({ json, sizeBytes });
    luks2Image().copy(image, SIZE, SIZE, SIZE + 5000);
    image.fill(0, 0, 4096);
    expect(luks2(image).copies[1]).toMatchObject({ state: 'good', byteOffset: sizeBytes });
  });

  it('nothing but the names is told when both copies are broken', () => {
    const image = luks2Image({ label: 'a label' });
    image[5000] ^= 1;
    image[SIZE + 5000] ^= 1;
    const header = luks2(image);
    expect(header).toMatchObject({
      used: undefined,
      uuid: UUID,
      label: 'a label',
      keyslots: [],
      config: undefined,
    });
    expect(header.broken).toHaveLength(2);
  });

  it('a file is named that ends before the keyslots do', () => {
    const { used, broken } = luks2(luks2Image().subarray(0, 2 * SIZE + 4096));
    expect(used).toBe('primary');
    expect(broken).toEqual(['the file has 36864 bytes, fewer than its header and keyslots (557056)']);
  });

  it.each<[string, string, string]>([
    ['no JSON', '{"keyslots":', 'its JSON area is no JSON'],
    ['a list', '[{}]', 'its JSON area is no object'],
    ['blanks before it', ' {}', 'its JSON area is no object'],
    ['bytes behind its end', '{}\0{}', 'its JSON area has something behind its end'],
    ['no end', 'x'.repeat(SIZE - LUKS2_BINARY_BYTES), 'its JSON area has no end'],
    ['ten thousand brackets', '{"a":'.repeat(2000), 'its JSON area is no JSON'],
  ])('a JSON area with %s is refused', (_, json, sentence) => {
    const image = Buffer.alloc(luks2Image().length);
    luks2Image({ json: '' }).copy(image);
    for (const at of [0, SIZE]) {
      image.write(json, at + LUKS2_BINARY_BYTES, SIZE - LUKS2_BINARY_BYTES, 'latin1');
      seal(image, at);
    }
    expect(luks2(image).broken).toEqual([`primary header: ${sentence}`, `secondary header: ${sentence}`]);
  });

  it.each<[string, (json: Json) => void]>([
    [
      'segment 0: "sector_size" is no number',
      (json) => {
        json.segments[0].sector_size = '512';
      },
    ],
    [
      'segment 0: has sectors of 500 bytes',
      (json) => {
        json.segments[0].sector_size = 500;
      },
    ],
    [
      'segment 0: does not begin or end at a sector',
      (json) => {
        json.segments[0].offset = '1048577';
      },
    ],
    [
      'segment 0 is encrypted and has no digest',
      (json) => {
        json.digests[0].segments = [];
      },
    ],
    [
      'keyslot 1 has 0 digests, not one',
      (json) => {
        json.digests[0].keyslots = ['0'];
      },
    ],
    [
      'digest 0 is for keyslot 7, which is not there',
      (json) => {
        json.digests[0].keyslots.push('7');
      },
    ],
    [
      'token 0 is for keyslot 7, which is not there',
      (json) => {
        json.tokens[0].keyslots = ['7'];
      },
    ],
    [
      'the area of keyslot 1 and the area of keyslot 0 overlap',
      (json) => {
        json.keyslots[1].area.offset = '36864';
      },
    ],
    [
      'the area of keyslot 0 is not where keyslots are',
      (json) => {
        json.keyslots[0].area.offset = '4096';
      },
    ],
    [
      'keyslot 0, kdf: "memory" is no number',
      (json) => {
        json.keyslots[0].kdf.memory = -1;
      },
    ],
    [
      'JSON area, config: says the JSON area has 8192 bytes, and the binary header says 12288',
      (json) => {
        json.config.json_size = '8192';
      },
    ],
    [
      'the data begin inside the header',
      (json) => {
        json.segments[0].offset = '512';
      },
    ],
    [
      'JSON area: "keyslots" is no object',
      (json) => {
        json.keyslots = ['0'];
      },
    ],
    [
      'JSON area: "keyslots" has an entry that is no numbered keyslot',
      (json) => {
        json.keyslots.__proto__x = {};
      },
    ],
    [
      'segment 0 is missing',
      (json) => {
        json.segments = { 1: json.segments[0] };
        json.digests[0].segments = ['1'];
      },
    ],
    [
      'there is no segment',
      (json) => {
        json.segments[0].flags = ['backup-final'];
      },
    ],
  ])('is said: %s', (sentence, change) => {
    const { used, broken } = changed(change);
    expect(broken).toContain(`primary header: ${sentence}`);
    expect(used).toBeUndefined();
  });

  it('no more is told than a header has room for', () => {
    const header = changed((json) => {
      for (let id = 2; id < 100; id++) json.keyslots[id] = null;
    });
    expect(header.broken.length).toBeLessThanOrEqual(2 * 16);
    expect(header.broken[0]).toMatch(/no numbered keyslot|more than 32/);
  });
});

describe('a LUKS1 header', () => {
  it('is told as plain data', () => {
    const header = read(luks1Image()) as Luks1Header;
    expect(header).toMatchObject({
      version: 1,
      uuid: UUID,
      encryption: 'aes-xts-plain64',
      hash: 'sha256',
      keyBytes: 64,
      payloadOffsetBytes: 2 ** 21,
      unlockMemoryBytes: 0,
      broken: [],
    });
    expect(header.keyslots.map(({ active }) => active)).toEqual([
      true,
      false,
      false,
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(header.keyslots[3]).toMatchObject({
      id: 3,
      kdf: { type: 'pbkdf2', iterations: 1003 },
      stripes: 4000,
    });
  });

  it.each([
    ['stripes', 44, 'keyslot 2 has 0 stripes, not 4000'],
    ['active', 0, 'keyslot 2 is neither active nor inactive: 0x0'],
    ['keyMaterialOffset', 40, 'the area of keyslot 2 is not where keyslots are'],
  ])('says what is broken in a keyslot: %s', (_, at, sentence) => {
    const image = luks1Image();
    image.writeUInt32BE(0, Luks1Phdr.size + 2 * Luks1Slot.size + at);
    expect((read(image) as Luks1Header).broken).toContain(sentence);
  });

  it('says which areas overlap', () => {
    const image = luks1Image();
    Luks1Slot.write(image, { keyMaterialOffset: 100 }, Luks1Phdr.size + Luks1Slot.size, false);
    expect((read(image) as Luks1Header).broken).toContain('the areas of keyslots 0 and 1 overlap');
  });
});

describe('what is no LUKS header', () => {
  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array(0)],
    ['a short file', Buffer.from('LUKS')],
    ['zeros', new Uint8Array(70_000)],
    ['text', Buffer.from('LUKS is what this text is about. '.repeat(200))],
  ])('is named as that: %s', (_, image) => {
    expect(read(image)).toEqual({ notLuks: 'there is no LUKS header' });
  });

  it('is a version that is not known', () => {
    const image = luks1Image();
    image[7] = 3;
    expect(read(image)).toEqual({ notLuks: 'LUKS of version 3 is not known' });
  });

  it('is a LUKS1 header that is cut short', () => {
    expect(read(luks1Image().subarray(0, 500))).toEqual({ notLuks: 'the LUKS1 header is cut short' });
  });

  it('is a directory, a device of characters, a file that is not there', () => {
    const directory = files.path('directory');
    mkdirSync(directory);
    expect(readLuksHeader(directory)).toEqual({
      notLuks: `${directory} is neither a block device nor an image file`,
    });
    expect(readLuksHeader('/dev/null')).toMatchObject({ notLuks: expect.stringMatching(/neither/) });
    expect(readLuksHeader('/nothing/here')).toEqual({ notLuks: '/nothing/here: no such file (ENOENT)' });
  });
});

describe('whatever a header holds', () => {
  const both = fc.constantFrom(luks2Image(), luks1Image());
  const edits = fc.array(
    fc.record({
      // Where the structs and the JSON are, and anywhere.
      at: fc.oneof(
        fc.nat(700),
        fc.integer({ min: 4096, max: 6000 }),
        fc.integer({ min: SIZE, max: SIZE + 6000 }),
        fc.nat(600_000),
      ),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 16 }),
    }),
    { minLength: 1, maxLength: 8 },
  );

  it('reading it ends, without throwing', () => {
    fc.assert(
      fc.property(both, edits, fc.boolean(), fc.option(fc.nat(560_000)), (image, changes, sealed, length) => {
        const copy = Buffer.from(image);
        for (const { at, bytes } of changes)
          copy.set(bytes.subarray(0, Math.max(0, copy.length - at)), Math.min(at, copy.length));
        if (sealed) for (const at of [0, SIZE]) seal(copy, at);
        const header = read(copy.subarray(0, length ?? copy.length));
        expect('notLuks' in header || header.version === 1 || header.version === 2).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('and whatever JSON it is', () => {
    const parts = fc.dictionary(
      fc.oneof(
        fc.constantFrom(
          'keyslots',
          'segments',
          'digests',
          'tokens',
          'config',
          '0',
          'kdf',
          'area',
          '__proto__',
        ),
        fc.string({ maxLength: 6 }),
      ),
      fc.oneof(fc.jsonValue(), fc.constantFrom(...(Object.values(metadata()) as Json[]))),
    );
    fc.assert(
      fc.property(parts, fc.boolean(), (json, alone) => {
        const header = luks2(luks2Image({ json: alone ? json : { ...metadata(), ...json } }));
        expect(header.used === undefined).toBe(header.broken.length > 0);
      }),
      { numRuns: 150 },
    );
  });
});
