/** Stacks by hand-made unwind tables: calls, interrupts, system calls, functions that the tables leave out, and hostile ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { guess } from '../../../src/kernel/unwind/guess.ts';
import { OrcTables } from '../../../src/kernel/unwind/orc.ts';
import { unwind } from '../../../src/kernel/unwind/unwind.ts';
import { ViewBuilder } from '../../build/view.ts';

const TEXT = 0xffffffff81000000n;
const IPS = 0xffffffff82000000n;
const ENTRIES = 0xffffffff82100000n;
const STACK = 0xffffc90000010000n;
const STACK_END = STACK + 0x4000n;
const IRQ_STACK = 0xffffc90000080000n;
const STACKS = [
  { name: 'task', start: STACK, end: STACK_END },
  { name: 'IRQ', start: IRQ_STACK, end: IRQ_STACK + 0x4000n },
];

/** ORC_REG_* and ORC_TYPE_* of a kernel, by its time. */
const ERAS = {
  '5.10': { sp: 5, prev: 1, bp: 4, call: 0, regs: 1, partial: 2, end: 4 },
  '6.12': { sp: 5, prev: 1, bp: 4, call: 2, regs: 3, partial: 4, end: 1 },
  '7.3': { sp: 3, prev: 8, bp: 4, call: 2, regs: 3, partial: 4, end: 1 },
} as const;
type Era = keyof typeof ERAS;
type Kind = 'call' | 'framed' | 'regs' | 'partial' | 'end' | 'left out';

/** A function that has 256 bytes of text; a frame of `frame` bytes, its return address included. */
interface Function_ {
  readonly name: string;
  readonly kind: Kind;
  readonly frame?: number;
}
const FUNCTIONS: readonly Function_[] = [
  { name: '_stext', kind: 'call', frame: 8 },
  { name: 'inner', kind: 'call', frame: 0x28 },
  { name: 'framed', kind: 'framed', frame: 16 },
  { name: 'entry_SYSCALL', kind: 'regs', frame: 0 },
  { name: 'interrupt_entry', kind: 'regs', frame: 0 },
  { name: 'early_entry', kind: 'partial', frame: 0 },
  { name: 'left_out', kind: 'left out' },
  { name: 'thread_start', kind: 'end' },
  // Hundreds of others, so that it is seen which numbers registers have.
  ...Array.from({ length: 40 }, (_, i) => ({ name: `other_${i}`, kind: 'call' as const, frame: 8 })),
];
const start = (name: string) => TEXT + 256n * BigInt(FUNCTIONS.findIndex((each) => each.name === name));
/** An address behind a call in it. */
const inside = (name: string) => start(name) + 0x40n;

function machine(era: Era): ViewBuilder {
  const built = new ViewBuilder();
  const is = ERAS[era];
  built.write(TEXT, Buffer.alloc(256 * FUNCTIONS.length, 0x90));
  built.write(STACK, Buffer.alloc(0x4000));
  for (const { name } of FUNCTIONS) built.write(inside(name) - 5n, Buffer.from([0xe8, 0, 0, 0, 0]));
  for (const [i, { kind, frame = 0 }] of FUNCTIONS.entries()) {
    const at = IPS + 4n * BigInt(i);
    built.u32(at, Number(TEXT + 256n * BigInt(i) - at));
    const bytes = Buffer.alloc(6);
    const base = kind === 'framed' ? is.bp : kind === 'left out' || kind === 'end' ? 0 : is.sp;
    bytes.writeInt16LE(frame, 0);
    bytes.writeInt16LE(kind === 'framed' ? -16 : 0, 2);
    bytes[4] = base | ((kind === 'framed' ? is.prev : 0) << 4);
    bytes[5] =
      kind === 'regs' ? is.regs : kind === 'partial' ? is.partial : kind === 'end' ? is.end : is.call;
    if (kind === 'left out') bytes[5] = 0;
    built.write(ENTRIES + 6n * BigInt(i), bytes);
  }
  return built;
}

function symbols() {
  const found = FUNCTIONS.map(({ name }) => ({ name, vaddr: start(name), type: 't' }));
  const end = BigInt(FUNCTIONS.length);
  return [
    ...found,
    { name: '_etext', vaddr: TEXT + 256n * end, type: 'T' },
    { name: '__start_orc_unwind_ip', vaddr: IPS, type: 'R' },
    { name: '__stop_orc_unwind_ip', vaddr: IPS + 4n * end, type: 'R' },
    { name: '__start_orc_unwind', vaddr: ENTRIES, type: 'R' },
    { name: '__stop_orc_unwind', vaddr: ENTRIES + 6n * end, type: 'R' },
  ];
}

function follow(built: ViewBuilder, era: Era, from: { ip: bigint; sp: bigint; bp?: bigint }) {
  const view = built.view(symbols(), undefined, `OSRELEASE=${era}.0`);
  const { frames, ended } = unwind(view, OrcTables.of(view), STACKS, {
    slot: undefined,
    isInterrupted: true,
    registers: undefined,
    bp: 0n,
    ...from,
  });
  const names = frames.map(({ ip, isInterrupted }) => view.placeOf(isInterrupted ? ip : ip - 1n)?.name);
  return { names, frames, ended, view };
}

/** struct pt_regs with what matters here. */
function ptRegs(rip: bigint, rsp: bigint, cs: bigint, rbp = 0n): bigint[] {
  const registers = new Array<bigint>(21).fill(0n);
  registers[4] = rbp;
  [registers[16], registers[17], registers[19]] = [rip, cs, rsp];
  return registers;
}

describe.each(['5.10', '6.12', '7.3'] as const)('a stack of Linux %s', (era) => {
  it('is followed through calls to where a thread starts', () => {
    const built = machine(era);
    built.u64(STACK + 0x20n, inside('inner'));
    built.u64(STACK + 0x48n, inside('thread_start'), 0n);
    const { names, frames, ended } = follow(built, era, { ip: inside('inner'), sp: STACK });
    expect(names).toEqual(['inner', 'inner', 'thread_start']);
    expect(frames.map(({ slot }) => slot)).toEqual([undefined, STACK + 0x20n, STACK + 0x48n]);
    expect(ended).toBe('end');
  });

  it('is a guess from an address on that no call returns to, but not where something begins', () => {
    const follows = (ip: bigint) => {
      const built = machine(era);
      built.u64(STACK + 0x20n, ip);
      built.u64(STACK + 0x48n, inside('thread_start'), 0n);
      return follow(built, era, { ip: inside('inner'), sp: STACK }).frames.map(({ isGuess }) => isGuess);
    };
    expect(follows(inside('inner') + 3n)).toEqual([false, true, true]);
    expect(follows(start('inner'))[1]).toBe(false);
  });

  it('is followed by the frame pointer where the tables say so, which is taken from the stack again', () => {
    const built = machine(era);
    const [one, two] = [STACK + 0x100n, STACK + 0x200n];
    built.u64(one, two, inside('framed'));
    built.u64(two, 0n, inside('thread_start'));
    const { names, ended } = follow(built, era, { ip: inside('framed'), sp: STACK, bp: one });
    expect(names).toEqual(['framed', 'framed', 'thread_start']);
    expect(ended).toBe('end');
  });

  it('ends at a system call with the registers that user space had', () => {
    const built = machine(era);
    built.u64(STACK + 0x20n, inside('entry_SYSCALL'), ...ptRegs(0x401000n, 0x7ffe0000n, 0x33n));
    const { names, frames, ended } = follow(built, era, { ip: inside('inner'), sp: STACK });
    expect(names).toEqual(['inner', 'entry_SYSCALL']);
    expect(frames[1]!.registers).toMatchObject({ rip: 0x401000n, rsp: 0x7ffe0000n });
    expect(ended).toBe('user');
  });

  it('goes on at what an interrupt broke into, on another stack, at the very instruction', () => {
    const built = machine(era);
    const regs = ptRegs(start('inner'), STACK, 0x10n, 0x1234n);
    built.u64(IRQ_STACK + 0x20n, inside('interrupt_entry'), ...regs);
    built.u64(STACK + 0x20n, inside('thread_start'));
    const { names, frames, ended } = follow(built, era, { ip: inside('inner'), sp: IRQ_STACK });
    expect(names).toEqual(['inner', 'interrupt_entry', 'inner', 'thread_start']);
    expect(frames[2]).toMatchObject({ ip: start('inner'), slot: undefined, isInterrupted: true });
    expect(ended).toBe('end');
  });

  it('goes on where only what the CPU pushed was saved', () => {
    const built = machine(era);
    built.u64(STACK, inside('inner'), 0x10n, 0x246n, STACK + 0x100n, 0x18n);
    built.u64(STACK + 0x120n, inside('thread_start'));
    const { names } = follow(built, era, { ip: inside('early_entry'), sp: STACK });
    expect(names).toEqual(['early_entry', 'inner', 'thread_start']);
  });

  it('of a call to address 0 leads to who called it', () => {
    const built = machine(era);
    built.u64(STACK, inside('thread_start'));
    expect(follow(built, era, { ip: 0n, sp: STACK }).names).toEqual([undefined, 'thread_start']);
  });

  it('goes through a function that the tables leave out by its prologue', () => {
    const built = machine(era);
    // nopl; push %rbx; sub $0xb0,%rsp, and in thread_start: call left_out
    built.write(start('left_out'), Buffer.from('0f1f440000534881ecb0000000', 'hex'));
    const call = Buffer.from([0xe8, 0, 0, 0, 0]);
    call.writeInt32LE(Number(start('left_out') - inside('thread_start')), 1);
    built.write(inside('thread_start') - 5n, call);
    built.u64(STACK + 0xb8n, inside('thread_start'));
    const { names, ended, frames } = follow(built, era, { ip: inside('left_out'), sp: STACK });
    expect(names).toEqual(['left_out', 'thread_start']);
    expect([ended, frames.some(({ isGuess }) => isGuess)]).toEqual(['end', false]);
  });

  it('is not followed by a prologue to an address that no call of the function is before', () => {
    const built = machine(era);
    built.write(start('left_out'), Buffer.from('0f1f440000534881ecb0000000', 'hex'));
    built.u64(STACK + 0xb8n, inside('thread_start'));
    const { names, ended } = follow(built, era, { ip: inside('left_out'), sp: STACK });
    expect(names).toEqual(['left_out']);
    expect(ended).toMatchObject({ why: expect.stringContaining('say nothing of') });
  });
});

describe('what looks like return addresses', () => {
  it('is a guess, and only where a call stands before it', () => {
    const built = machine('6.12');
    built.u64(STACK + 0x100n, inside('framed') + 1n, inside('inner'), TEXT - 0x1000n, 0x401000n);
    const { view } = follow(built, '6.12', { ip: inside('left_out'), sp: STACK });
    const { frames } = guess(view, OrcTables.of(view), STACKS, STACKS[0]!, STACK);
    expect(frames.map(({ ip, isGuess }) => [ip, isGuess])).toEqual([[inside('inner'), true]]);
  });
});

describe('a hostile stack', () => {
  it('that leads back to itself is left', () => {
    const built = machine('6.12');
    const regs = ptRegs(inside('interrupt_entry'), STACK, 0x10n);
    built.u64(STACK, ...regs);
    const { ended, frames } = follow(built, '6.12', { ip: inside('interrupt_entry'), sp: STACK });
    expect(ended).toMatchObject({ why: 'the stack leads back to itself' });
    expect(frames.length).toBeLessThan(4);
  });

  it('that leads back down is left', () => {
    const built = machine('6.12');
    built.u64(STACK + 0x100n, STACK + 0x80n, inside('framed'));
    built.u64(STACK + 0x80n, STACK + 0x200n, inside('framed'));
    const { ended, names } = follow(built, '6.12', {
      ip: inside('framed'),
      sp: STACK + 0x90n,
      bp: STACK + 0x100n,
    });
    expect(names).toEqual(['framed', 'framed']);
    expect(ended).toMatchObject({ why: 'the stack leads back to itself' });
  });

  it('that leads to memory that is no stack has guesses there', () => {
    const built = machine('6.12');
    const elsewhere = 0xffff888000000000n;
    built.u64(elsewhere, 0n, inside('inner'));
    built.u64(elsewhere + 0x30n, inside('thread_start'));
    const { frames, names } = follow(built, '6.12', { ip: inside('framed'), sp: STACK, bp: elsewhere });
    expect(names).toEqual(['framed', 'inner', 'thread_start']);
    expect(frames.map(({ isGuess }) => isGuess)).toEqual([false, true, true]);
  });

  it('that has registers where no stack is has guesses behind them', () => {
    const built = machine('6.12');
    const elsewhere = 0xffff888000000000n;
    built.u64(elsewhere, ...ptRegs(inside('inner'), STACK + 0x100n, 0x10n));
    built.u64(STACK + 0x120n, inside('thread_start'));
    const { frames } = follow(built, '6.12', { ip: inside('interrupt_entry'), sp: elsewhere });
    expect(frames.map(({ isGuess }) => isGuess)).toEqual([false, true, true]);
  });

  it.each([
    ['zeros', 0n],
    ['an address of user space', 0x401000n],
    ['an address of data', STACK + 0x10n],
  ])('has no frame of what is no address of code: %s', (_, word) => {
    const built = machine('6.12');
    built.u64(STACK + 0x20n, word, inside('inner'), inside('thread_start'));
    const { names, ended } = follow(built, '6.12', { ip: inside('inner'), sp: STACK });
    expect(names).toEqual(['inner']);
    expect(ended).toMatchObject({ why: expect.stringContaining('no address of code') });
  });

  it('may lead through code that no table is of: that is a guess', () => {
    const built = machine('6.12');
    const compiled = 0xffffffffc0001000n;
    built.write(compiled - 8n, Buffer.from('909090e800000000', 'hex'));
    built.u64(STACK + 0x20n, compiled, inside('inner'));
    const { frames, ended } = follow(built, '6.12', { ip: inside('inner'), sp: STACK });
    expect(frames.map(({ ip, isGuess }) => [ip, isGuess])).toEqual([
      [inside('inner'), false],
      [compiled, true],
    ]);
    expect(ended).toMatchObject({ why: expect.stringContaining('say nothing of') });
  });

  it('may hold anything, and so may the tables: the walk ends', () => {
    const word = fc.oneof(
      fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      fc.constantFrom(...FUNCTIONS.map(({ name }) => start(name) + 1n)),
      fc.integer({ min: 0, max: 0x3ff }).map((i) => STACK + 8n * BigInt(i)),
    );
    const entry = fc.tuple(fc.nat(FUNCTIONS.length - 1), fc.uint8Array({ minLength: 6, maxLength: 6 }));
    const hostile = fc.record({
      words: fc.array(word, { minLength: 64, maxLength: 512 }),
      entries: fc.array(entry, { maxLength: 20 }),
      first: fc.nat(FUNCTIONS.length - 1),
      era: fc.constantFrom<Era>('5.10', '6.12', '7.3'),
    });
    fc.assert(
      fc.property(hostile, ({ words, entries, first, era }) => {
        const built = machine(era);
        built.u64(STACK, ...words);
        for (const [i, bytes] of entries) built.write(ENTRIES + 6n * BigInt(i), bytes);
        const { frames, view } = follow(built, era, {
          ip: TEXT + 256n * BigInt(first) + 9n,
          sp: STACK,
          bp: STACK,
        });
        expect(frames.length).toBeLessThanOrEqual(512);
        guess(view, OrcTables.of(view), STACKS, STACKS[0]!, STACK);
      }),
      { numRuns: 100 },
    );
  });
});
