/** The kernel log record by record: both forms, beginning again at the end of their memory, damaged, in part; and its lines. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PageTableWalker } from '../../src/arch/page-table.ts';
import { type LogRecord, lastClear, logLine, logRecords } from '../../src/kernel/log.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import { callerOf } from '../build/kernel-log.ts';
import type { KernelName } from '../build/kernel-profile.ts';
import { tempFiles } from '../read/temp-files.ts';
import { openVmcore } from './opened.ts';

const files = tempFiles();
const PAGE = 4096n;
const DESC = 24;
const INFO = 88;
const DESCS = 64;
const TEXT_BYTES = 2 ** 14;
const RINGS = ['5.10', '6.1', '6.12', '7.3'] as const;
const BUFFERS = ['4.14', '4.19'] as const;

interface Seen {
  readonly texts: string[];
  readonly records: LogRecord[];
  readonly lost: number;
}

function see(info: Vmcoreinfo, walker: PageTableWalker, clear?: bigint): Seen | undefined {
  const all = logRecords(info, walker, clear);
  if (all === undefined) return undefined;
  const records: LogRecord[] = [];
  let lost = 0;
  for (const record of all) {
    if (record === undefined) lost++;
    else records.push(record);
  }
  return { texts: records.map(({ text }) => Buffer.from(text).toString('latin1')), records, lost };
}

/** The dump with other bytes at some addresses, or none at all. */
function changed(
  walker: PageTableWalker,
  ...changes: readonly { vaddr: bigint; bytes: Uint8Array | undefined }[]
): PageTableWalker {
  const read: PageTableWalker['read'] = (vaddr, length) => {
    const seen = walker.read(vaddr, length);
    for (const { vaddr: at, bytes } of changes) {
      const size = BigInt(bytes?.length ?? PAGE);
      if (at >= vaddr + BigInt(length) || at + size <= vaddr) continue;
      if (bytes === undefined) return undefined;
      for (let i = 0; i < bytes.length; i++) {
        const to = Number(at - vaddr) + i;
        if (seen && to >= 0 && to < length) seen[to] = bytes[i];
      }
    }
    return seen;
  };
  return Object.assign(Object.create(walker), { read });
}

const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
};
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer);
const u16 = (value: number): Buffer => Buffer.from(Uint16Array.of(value).buffer);

const numbered = (count: number, bytes = 150): string[] =>
  Array.from({ length: count }, (_, i) => `message ${i} ${'.'.repeat((i * 37) % bytes)}`);

describe('the log', () => {
  it.each([...RINGS, ...BUFFERS])('of Linux %s has its messages with time and order', (kernel) => {
    const dmesg = ['first', 'second, with\nanother line', 'third \xe4\x1b'];
    const { info, walker } = openVmcore(files, { kernel, dmesg });
    const { texts, records, lost } = see(info, walker)!;
    expect({ texts, lost }).toEqual({ texts: dmesg, lost: 0 });
    expect(records.map(({ tsNsec }) => tsNsec)).toEqual([0n, 1_234_567_000n, 2_469_134_000n]);
    const exports = (RINGS as readonly KernelName[]).includes(kernel);
    expect(records.map(({ callerId }) => callerId)).toEqual(
      exports ? [0, callerOf(1), 2] : [undefined, undefined, undefined],
    );
  });

  it.each([...RINGS, ...BUFFERS])(
    'of Linux %s that had no room for all has the newest, whatever their lengths',
    (kernel) => {
      for (const [count, bytes] of [
        [64, 150],
        [65, 90],
        [200, 500],
        [333, 700],
        [500, 8],
        [90, 4000],
      ]) {
        const dmesg = numbered(count, bytes);
        const { info, walker } = openVmcore(files, { kernel, dmesg });
        const { texts, lost } = see(info, walker)!;
        expect(lost).toBe(0);
        expect(texts.length).toBeGreaterThan(3);
        expect(texts).toEqual(dmesg.slice(-texts.length));
      }
    },
    30_000,
  );

  it.each(RINGS)('of Linux %s is whole where a record ends exactly where the ring does', (kernel) => {
    // 16 blocks of 1024 bytes, of which the last one ends there (7.3) or is put at the beginning.
    const dmesg = Array.from({ length: 19 }, (_, i) => String.fromCharCode(97 + i).repeat(1016));
    for (let count = 14; count <= dmesg.length; count++) {
      const { info, walker } = openVmcore(files, { kernel, dmesg: dmesg.slice(0, count) });
      const { texts, lost } = see(info, walker)!;
      expect(lost).toBe(0);
      expect(texts.length).toBeGreaterThanOrEqual(Math.min(count, 14));
      expect(texts).toEqual(dmesg.slice(count - texts.length, count));
    }
  });

  it('has no line for a message without text, and none where nothing was logged', () => {
    const { info, walker } = openVmcore(files, { dmesg: ['a', '', 'b'] });
    expect(see(info, walker)).toMatchObject({ texts: ['a', 'b'], lost: 0 });
    for (const kernel of ['6.1', '4.19'] as const) {
      const empty = openVmcore(files, { kernel, dmesg: [] });
      expect(see(empty.info, empty.walker)).toMatchObject({ texts: [], lost: 0 });
    }
  });

  it('says who printed a message before v5.10 too, where the kernel exports that', () => {
    const { info, walker, built } = openVmcore(files, { kernel: '4.19', dmesg: [] });
    const { image } = built.tables;
    const exported = new Vmcoreinfo(`SIZE(printk_log)=20\nOFFSET(printk_log.caller_id)=16\n${info.text}`);
    const record = Buffer.concat([u64(5n), u16(24), u16(4), u32(0), u32(2 ** 31 + 3), Buffer.from('text')]);
    const seen = see(
      exported,
      changed(
        walker,
        { vaddr: image.symbol('__log_buf'), bytes: record },
        { vaddr: image.symbol('log_next_idx'), bytes: u32(24) },
      ),
    )!;
    expect(seen.records.map(logLine)).toEqual(['[    0.000000] [      C3] text\n']);
  });
});

describe('what came after the last clear', () => {
  const sinceClear = (options: Parameters<typeof openVmcore>[1]) => {
    const { info, walker } = openVmcore(files, options);
    return see(info, walker, lastClear(info, walker))!;
  };

  it.each([...RINGS, ...BUFFERS])(
    'is the part of a log of Linux %s from there on, wherever the memory begins again',
    (kernel) => {
      for (const [count, bytes, cleared] of [
        [40, 150, 0],
        [40, 150, 17],
        [40, 150, 40],
        [200, 500, 195],
        [500, 700, 489],
        [500, 700, 500],
      ]) {
        const dmesg = numbered(count, bytes);
        const seen = sinceClear({ kernel, dmesg, clearedBefore: cleared });
        expect(seen).toMatchObject({ texts: dmesg.slice(cleared), lost: 0 });
      }
    },
    30_000,
  );

  it.each([...RINGS, ...BUFFERS])(
    'is all that is left of a log of Linux %s whose place is gone',
    (kernel) => {
      const dmesg = numbered(500, 700);
      const { texts, lost } = sinceClear({ kernel, dmesg, clearedBefore: 3 });
      expect(lost).toBe(0);
      expect(texts.length).toBeGreaterThan(10);
      expect(texts).toEqual(dmesg.slice(-texts.length));
    },
  );

  it.each(BUFFERS)('begins with a record of Linux %s that had no room before the end', (kernel) => {
    const dmesg = Array.from({ length: 40 }, (_, i) => String.fromCharCode(97 + (i % 26)).repeat(1000));
    for (let cleared = 26; cleared < 40; cleared++)
      expect(sinceClear({ kernel, dmesg, clearedBefore: cleared }).texts).toEqual(dmesg.slice(cleared));
  });

  it('counts no record as lost that came before', () => {
    const dmesg = numbered(40);
    const { info, walker, built } = openVmcore(files, { dmesg, clearedBefore: 20 });
    const desc = (n: number) => built.tables.image.symbol('_printk_rb_static_descs') + BigInt(n * DESC);
    const hurt = (n: number) => changed(walker, { vaddr: desc(n), bytes: u64((2n << 62n) | 63n) });
    expect(see(info, hurt(7), 20n)).toMatchObject({ texts: dmesg.slice(20), lost: 0 });
    expect(see(info, hurt(27), 20n)).toMatchObject({ lost: 1 });
  });

  it('is the whole log where it would begin behind the newest record, or in the middle of one', () => {
    const dmesg = numbered(40);
    for (const [kernel, clear] of [
      ['6.1', 41n],
      ['6.1', 2n ** 64n - 1n],
      ['4.19', 4n],
      ['4.19', 2n ** 32n - 1n],
    ] as const) {
      const { info, walker } = openVmcore(files, { kernel, dmesg });
      expect(see(info, walker, clear)).toMatchObject({ texts: dmesg, lost: 0 });
    }
  });

  it.each([
    ['6.1', 'clear_seq'],
    ['4.19', 'clear_idx'],
  ] as const)('is not known where VMCOREINFO of Linux %s lacks %s', (kernel, symbol) => {
    const { info, walker } = openVmcore(files, { kernel, overrides: { [`SYMBOL(${symbol})`]: undefined } });
    expect(lastClear(info, walker)).toBeUndefined();
  });
});

describe('the log before v3.5', () => {
  const lines = numbered(20).map((line, i) => `<6>[    ${i}.000000] ${line}`);
  const plain = (dmesg: readonly string[], clearedBefore = 0) =>
    openVmcore(files, { kernel: '4.14', plainLog: true, dmesg, clearedBefore });
  const textOf = (seen: Seen) => seen.records.map(logLine).join('');

  it('is told line by line as it is, but for bytes that a terminal would obey', () => {
    const { info, walker } = plain([...lines, 'bell \x07, \xe4']);
    const seen = see(info, walker)!;
    expect(seen.lost).toBe(0);
    expect(textOf(seen)).toBe([...lines, 'bell \\x07, \\xe4', ''].join('\n'));
    expect(seen.records).toHaveLength(21);
  });

  it('has the newest characters when its buffer has begun again', () => {
    const dmesg = numbered(700, 90);
    const { info, walker } = plain(dmesg);
    const whole = dmesg.map((line) => `${line}\n`).join('');
    expect(textOf(see(info, walker)!)).toBe(whole.slice(-TEXT_BYTES));
  });

  it('has the characters behind the last clear', () => {
    const dmesg = numbered(700, 90);
    for (const cleared of [690, 700, 3]) {
      const { info, walker } = plain(dmesg, cleared);
      const rest = dmesg
        .slice(cleared)
        .map((line) => `${line}\n`)
        .join('');
      expect(textOf(see(info, walker, lastClear(info, walker))!)).toBe(rest.slice(-TEXT_BYTES));
    }
  });

  it('has what lies in pages that are there', () => {
    const { info, walker, built } = plain(numbered(500, 90));
    const page = (built.tables.image.symbol('__log_buf') + PAGE) & ~(PAGE - 1n);
    const seen = see(info, changed(walker, { vaddr: page, bytes: undefined }))!;
    expect(seen.lost).toBe(1);
    expect(textOf(seen).length).toBe(TEXT_BYTES - Number(PAGE));
  });

  it.each([0, 3, 24_000, 2 ** 32 - 1])('is not read where its buffer would have %i bytes', (bytes) => {
    const { info, walker, built } = plain(lines);
    const vaddr = built.tables.image.symbol('log_buf_len');
    expect(see(info, changed(walker, { vaddr, bytes: u32(bytes) }))).toBeUndefined();
  });
});

describe('of a damaged log', () => {
  const dmesg = numbered(40);
  const { info, walker, built } = openVmcore(files, { kernel: '6.1', dmesg });
  const { image } = built.tables;
  // Message n has descriptor n: the ring has not begun again.
  const desc = (n: number) => image.symbol('_printk_rb_static_descs') + BigInt(n * DESC);
  const infoOf = (n: number) => image.symbol('_printk_rb_static_infos') + BigInt(n * INFO);
  const ring = image.symbol('printk_rb_static');
  const lpos = (n: number) => walker.readU64(desc(n) + 8n)!;
  const without = (n: number) => dmesg.filter((_, i) => i !== n);

  it.each<[string, bigint, Buffer]>([
    ['of a descriptor that belongs to another record', desc(7), u64((2n << 62n) | 8n)],
    ['of text behind another ID', image.symbol('__log_buf') + (lpos(7) % BigInt(TEXT_BYTES)), u64(1n)],
    ['of infos of another record', infoOf(7), u64(8n)],
    ['of a block that ends before it begins', desc(7) + 16n, u64(lpos(7) - 8n)],
    ['of a block that is longer than the ring', desc(7) + 16n, u64(lpos(7) + 3n * BigInt(TEXT_BYTES))],
    ['of a block without room for its ID', desc(7) + 16n, u64(lpos(7))],
    ['of a position inside of its block', desc(7) + 8n, u64(lpos(7) + 4n)],
  ])('a record is left out and counted because %s', (_, vaddr, bytes) => {
    expect(see(info, changed(walker, { vaddr, bytes }))).toMatchObject({ texts: without(7), lost: 1 });
  });

  it.each([
    ['is being written', 0n],
    ['is not used any more', 3n],
  ])('a record that %s is no loss', (_, state) => {
    const change = {
      vaddr: desc(7),
      bytes: u64((state << 62n) | (walker.readU64(desc(7))! & (2n ** 62n - 1n))),
    };
    expect(see(info, changed(walker, change))).toMatchObject({ texts: without(7), lost: 0 });
  });

  it('a block that would go round the ring more than once is none, though it begins with the right ID', () => {
    const next = walker.readU64(desc(0) + 16n)!;
    const change = { vaddr: desc(0) + 16n, bytes: u64(next + 2n * BigInt(TEXT_BYTES)) };
    expect(see(info, changed(walker, change))).toMatchObject({ texts: without(0), lost: 1 });
  });

  it('a record that is committed and not finalized counts', () => {
    const change = {
      vaddr: desc(7),
      bytes: u64((1n << 62n) | (walker.readU64(desc(7))! & (2n ** 62n - 1n))),
    };
    expect(see(info, changed(walker, change))).toMatchObject({ texts: dmesg, lost: 0 });
  });

  it('a text that would be longer than its block ends there', () => {
    const seen = see(info, changed(walker, { vaddr: infoOf(7) + 16n, bytes: u16(0xffff) }))!;
    expect(seen.lost).toBe(0);
    expect(seen.texts[7]).toMatch(dmesg[7]);
    expect(seen.texts[7].length - dmesg[7].length).toBeLessThan(8);
  });

  it('all records are found where the tail makes no sense', () => {
    const seen = see(info, changed(walker, { vaddr: ring + 32n, bytes: u64(12345n) }))!;
    expect(seen.texts).toEqual(dmesg);
    // All other descriptors but the initial one, which is reusable.
    expect(seen.lost).toBe(DESCS - dmesg.length - 1);
  });

  it('what lies in pages that are there is read', () => {
    const infosPage = infoOf(dmesg.length) & ~(PAGE - 1n);
    const seen = see(info, changed(walker, { vaddr: infosPage, bytes: undefined }))!;
    expect(seen.lost).toBeGreaterThan(0);
    expect(seen.texts).toEqual(dmesg.slice(0, dmesg.length - seen.lost));
    const page = (image.symbol('__log_buf') + PAGE) & ~(PAGE - 1n);
    const many = openVmcore(files, { kernel: '6.1', dmesg: numbered(60, 230) });
    const partly = see(many.info, changed(many.walker, { vaddr: page, bytes: undefined }))!;
    expect(partly.texts.length).toBeGreaterThan(20);
    expect(partly.lost).toBeGreaterThan(5);
    expect(partly.texts.length + partly.lost).toBe(60);
  });

  it.each([
    ['prb leads nowhere', { 'SYMBOL(prb)': 'ffffffff00000000' }],
    ['VMCOREINFO has not the size of a structure', { 'SIZE(printk_info)': undefined }],
    ['VMCOREINFO has not the place of a member', { 'OFFSET(printk_info.text_len)': undefined }],
    ['a member would lie outside of its structure', { 'OFFSET(printk_info.ts_nsec)': '84' }],
    ['a structure would be larger than any', { 'SIZE(prb_desc)': '5000' }],
    ['nothing says where it is', { 'SYMBOL(prb)': undefined }],
  ])('nothing is found where %s', (_, overrides) => {
    const opened = openVmcore(files, { overrides });
    expect(see(opened.info, opened.walker)).toBeUndefined();
  });

  it.each([
    ['descriptors', 0n, 11],
    ['descriptors', 0n, 2 ** 32 - 1],
    ['text', 48n, 32],
  ])('nothing is found where its size cannot be: %s', (_, offset, bits) => {
    expect(see(info, changed(walker, { vaddr: ring + offset, bytes: u32(bits) }))).toBeUndefined();
  });
});

describe('of a damaged log before v5.10', () => {
  const dmesg = numbered(300, 400);
  const { info, walker, built } = openVmcore(files, { kernel: '4.19', dmesg });
  const { image } = built.tables;
  const base = image.symbol('__log_buf');
  const whole = see(info, walker)!.texts;
  const at = (symbol: string) => walker.read(image.symbol(symbol), 4)!.readUInt32LE(0);
  const first = at('log_first_idx');
  const lenAt = (idx: number) => walker.read(base + BigInt(idx + 8), 2)!.readUInt16LE(0);

  it('the buffer has begun again', () => {
    expect(first).toBeGreaterThan(at('log_next_idx'));
    expect(whole).toEqual(dmesg.slice(-whole.length));
  });

  it('a record whose text would be longer than it is left out and counted', () => {
    const vaddr = base + BigInt(first + 10);
    const seen = see(info, changed(walker, { vaddr, bytes: u16(lenAt(first)) }))!;
    expect(seen).toMatchObject({ texts: whole.slice(1), lost: 1 });
  });

  it.each([1, 15, 0xffff])('a length of %i ends the part that it is in', (len) => {
    const second = first + lenAt(first);
    const early = see(info, changed(walker, { vaddr: base + BigInt(second + 8), bytes: u16(len) }))!;
    const inBegun = whole.length - early.texts.length + 1;
    expect(early.lost).toBe(1);
    expect(early.texts).toEqual([whole[0], ...whole.slice(inBegun)]);
    // In the part that was written last nothing behind it can be found.
    const late = see(info, changed(walker, { vaddr: base + 8n, bytes: u16(len) }))!;
    expect(late.lost).toBe(1);
    expect(late.texts).toEqual(whole.slice(0, inBegun));
  });

  it('an empty header where the buffer does not begin again is no end', () => {
    const late = see(info, changed(walker, { vaddr: base + 8n, bytes: u16(0) }))!;
    expect(late.lost).toBe(1);
    expect(late.texts).toEqual(whole.slice(0, late.texts.length));
  });

  it('there are no records between two indices that are the same', () => {
    const change = { vaddr: image.symbol('log_first_idx'), bytes: u32(at('log_next_idx')) };
    expect(see(info, changed(walker, change))).toMatchObject({ texts: [], lost: 0 });
  });

  it('indices outside of it lead to nothing', () => {
    for (const symbol of ['log_first_idx', 'log_next_idx']) {
      const change = { vaddr: image.symbol(symbol), bytes: u32(TEXT_BYTES + 1) };
      expect(see(info, changed(walker, change))).toBeUndefined();
    }
  });

  it('what lies in pages that are there is read', () => {
    const page = (base + BigInt(first)) & ~(PAGE - 1n);
    const seen = see(info, changed(walker, { vaddr: page, bytes: undefined }))!;
    expect(seen.lost).toBeGreaterThan(0);
    expect(seen.texts.length).toBeGreaterThan(5);
    expect(seen.texts).toEqual(whole.filter((text) => seen.texts.includes(text)));
  });
});

describe('memory of any content', () => {
  it.each(['6.1', '4.19'] as const)(
    'ends, throws nothing and makes no text up (%s)',
    (kernel) => {
      const dmesg = numbered(100, 300);
      const { info, walker, built } = openVmcore(files, { kernel, dmesg });
      const { image } = built.tables;
      const names =
        kernel === '6.1'
          ? ['prb', 'printk_rb_static', '_printk_rb_static_descs', '_printk_rb_static_infos', '__log_buf']
          : ['log_buf', 'log_buf_len', 'log_first_idx', 'log_next_idx', '__log_buf'];
      const change = fc.record({
        symbol: fc.constantFrom(...names),
        at: fc.nat(TEXT_BYTES - 1),
        bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }),
      });
      fc.assert(
        fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
          const made = changes.map(({ symbol, at, bytes }) => {
            const size =
              { prb: 8, printk_rb_static: 88, log_buf: 8 }[symbol] ?? (symbol.startsWith('log_') ? 4 : 1408);
            const room = symbol === '__log_buf' ? TEXT_BYTES : size;
            return { vaddr: image.symbol(symbol) + BigInt(at % room), bytes };
          });
          const all = logRecords(info, changed(walker, ...made));
          let steps = 0;
          for (const record of all ?? []) {
            steps++;
            // A changed size can mean 2^27 descriptors, none of which is worth a test.
            if (steps > 2 ** 17) break;
            if (record === undefined) continue;
            expect(record.text.length).toBeLessThanOrEqual(0xffff);
            expect(logLine(record)).toMatch(/^\[ *\d+\.\d{6}\] (\[ *[CT]\d+\] )?[\t\v\f\r -~\n]*\n$/);
          }
        }),
        { numRuns: 300 },
      );
    },
    60_000,
  );
});

describe('a line', () => {
  const line = (text: string, change: Partial<LogRecord> = {}) =>
    logLine({ tsNsec: 0n, callerId: undefined, text: Buffer.from(text, 'latin1'), ...change });

  it('has the time in seconds, cut off at microseconds', () => {
    expect(line('x')).toBe('[    0.000000] x\n');
    expect(line('x', { tsNsec: 1_234_567_999n })).toBe('[    1.234567] x\n');
    expect(line('x', { tsNsec: 123_456_000_001_000n })).toBe('[123456.000001] x\n');
    expect(line('x', { tsNsec: 2n ** 64n - 1n })).toBe('[18446744073.709551] x\n');
  });

  it('says who printed it: a thread or a CPU', () => {
    expect(line('x', { callerId: 1 })).toBe('[    0.000000] [      T1] x\n');
    expect(line('x', { callerId: 2 ** 31 + 12 })).toBe('[    0.000000] [     C12] x\n');
    expect(line('x', { callerId: 2 ** 31 - 1 })).toBe('[    0.000000] [T2147483647] x\n');
  });

  it('indents further lines of a message by as much', () => {
    expect(line('a\nb\n\nc')).toBe(
      `[    0.000000] a\n${' '.repeat(15)}b\n${' '.repeat(15)}\n${' '.repeat(15)}c\n`,
    );
    expect(line('a\nb', { callerId: 1 })).toBe(`[    0.000000] [      T1] a\n${' '.repeat(26)}b\n`);
  });

  it('tells bytes that are no printable ASCII, but leaves white space', () => {
    expect(line('\x00\x07\x1b[1m\x7f\x80\xff\xe4')).toBe(
      '[    0.000000] \\x00\\x07\\x1b[1m\\x7f\\x80\\xff\\xe4\n',
    );
    expect(line('a\tb\rc\vd\fe \\x41~')).toBe('[    0.000000] a\tb\rc\vd\fe \\x41~\n');
  });
});
