/** Rules of --config on a compiled kernel's own data: which bytes of physical memory they come to, and what of broken data. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PageTableWalker } from '../../../src/arch/page-table.ts';
import { x86_64 } from '../../../src/arch/x86_64.ts';
import { SmeltError } from '../../../src/errors.ts';
import { parseEraseConfig, symbolsOf } from '../../../src/kernel/erase/config.ts';
import { ErasingReader, eraseInfo, erasePlan } from '../../../src/kernel/erase/eraser.ts';
import { KernelData } from '../../../src/kernel/erase/kernel-data.ts';
import { eraseRanges } from '../../../src/kernel/erase/ranges.ts';
import { Vmcoreinfo } from '../../../src/kernel/vmcoreinfo.ts';
import { Vmlinux } from '../../../src/kernel/vmlinux/vmlinux.ts';
import { cachedOf, readerOf } from '../../arch/memory.ts';
import { PageTables } from '../../build/page-tables.ts';
import { PhysicalPages } from '../../build/physical-pages.ts';
import { buildVmlinux, LINKED_AT, loadVmlinux, noCompiler } from '../../build/vmlinux.ts';

const dir = mkdtempSync(join(tmpdir(), 'smelt-test-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ROOT = 0x1000;
const PADDR = 0x400000;
const look = async () => {};

describe.skipIf(noCompiler !== undefined)(`rules that erase${noCompiler ? ` (${noCompiler})` : ''}`, () => {
  const pages = new PhysicalPages();
  let walker: PageTableWalker;
  let vmlinux: Vmlinux;
  /** Addresses of symbols, as bytes of physical memory. */
  let at: (symbol: string, offset?: number) => number;

  beforeAll(async () => {
    const path = buildVmlinux(join(dir, 'vmlinux'));
    const mapped = loadVmlinux(readFileSync(path), pages, PADDR);
    pages.page(ROOT / 4096);
    let next = ROOT;
    const tables = new PageTables({
      pages,
      levels: 4,
      mask: 0n,
      rootPaddr: ROOT,
      allocate: () => (next += 4096),
    });
    for (const { vaddr, paddr, bytes } of mapped) tables.map(vaddr, paddr, bytes, { leaf: '4k' });
    walker = new PageTableWalker(cachedOf(pages), x86_64.tableFormat, {
      root: ROOT,
      levels: 4,
      encryptionMask: 0n,
    });
    vmlinux = await Vmlinux.open(path, look);
    const names = [
      'init_task',
      'second',
      'third',
      'password',
      'pool',
      'blob',
      'init_uts_ns',
      'words',
      'hidden',
      'truth',
    ];
    const symbols = await vmlinux.symbols(new Set(names), look);
    at = (symbol, offset = 0) => PADDR + Number(symbols.get(symbol)![0]! - LINKED_AT) + offset;
  });
  afterAll(() => vmlinux?.close());

  async function resolve(text: string, through = walker, lookOnce = look) {
    const commands = parseEraseConfig('rules', text);
    const info = new Vmcoreinfo('');
    const structures = new Set(commands.flatMap(({ loop }) => loop?.within?.structure ?? []));
    const data = await KernelData.open(
      vmlinux,
      { variables: symbolsOf(commands), structures },
      info,
      walker,
      look,
    );
    return eraseRanges('rules', commands, data, through, lookOnce);
  }

  /** The physical addresses that rules erase, with the lengths. */
  async function erased(text: string): Promise<[number, number][]> {
    const { ranges, warnings } = await resolve(text);
    expect(warnings).toEqual([]);
    return ranges.map(({ paddr, length }) => [paddr, length]);
  }

  async function refusal(text: string, through = walker): Promise<string> {
    const error = await resolve(text, through).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SmeltError);
    expect((error as SmeltError).hint).toBeDefined();
    return (error as SmeltError).message;
  }

  const COMM = 16;
  const OFFSET = { command: 16, length: 24, key: 32, tasks: 40, cred: 64, sizeof: 72 };

  it('take a variable whole, or a member, also of an array and of what is packed', async () => {
    expect(await erased('erase init_task.comm')).toEqual([[at('init_task'), COMM]]);
    expect(await erased('erase password')).toEqual([[at('password'), 24]]);
    expect(await erased('erase pool')).toEqual([[at('pool'), 3 * OFFSET.sizeof]]);
    expect(await erased('erase init_uts_ns.name')).toEqual([[at('init_uts_ns'), 6 * 65]]);
    expect(await erased('erase init_task.cred.uid')).toEqual([[at('init_task', OFFSET.cred), 4]]);
  });

  it('follow pointers: to a structure, to text up to its end, through members', async () => {
    expect(await erased('erase first_task')).toEqual([[at('init_task'), OFFSET.sizeof]]);
    expect(await erased('erase first_task.sibling.comm')).toEqual([[at('second'), COMM]]);
    const [[, length]] = (await erased('erase third.command')) as [[number, number]];
    expect(length).toBe('cat secrets'.length);
  });

  it('erase nothing behind NULL, and say nothing', async () => {
    expect(await erased('erase init_task.command')).toEqual([]);
    expect(await erased('erase third.sibling.comm')).toEqual([]);
  });

  it('take sizes: a number, with K and M, and what a variable or member holds', async () => {
    expect(await erased('erase password size 10')).toEqual([[at('password'), 10]]);
    expect(await erased('erase blob size 2K')).toEqual([[at('password'), 2048]]);
    expect(await erased('erase blob size password_length')).toEqual([[at('password'), 7]]);
    expect(await erased('erase password size small_length')).toEqual([[at('password'), 2]]);
    expect(await erased('erase blob size first_task.sibling.length')).toEqual([[at('password'), 5]]);
  });

  it('set a pointer to NULL where they say nullify', async () => {
    const { ranges, erasures } = await resolve('erase second.key nullify');
    expect(ranges).toEqual([{ paddr: at('second', OFFSET.key), length: 8, nullify: true, erasure: 0 }]);
    expect(erasures).toEqual([{ expression: 'second.key', nullify: true }]);
  });

  it('go through a list_head, an array, an array of pointers, and structures that lead to the next', async () => {
    const tasks = (...names: string[]) =>
      names.map((name) => [at(name), COMM]).sort((a, b) => Number(a[0]) - Number(b[0]));
    const list = 'within task:tasks\nerase t.comm\nendfor';
    expect(await erased(`for t in init_task.tasks ${list}`)).toEqual(tasks('second', 'third'));
    expect(await erased(`for t in init_task.tasks.next ${list}`)).toEqual(tasks('second', 'third'));
    expect(await erased('for t in empty within task:tasks\nerase t.comm\nendfor')).toEqual([]);
    expect(await erased('for t in pool\nerase t.comm\nendfor')).toEqual(
      [0, 1, 2].map((i) => [at('pool', i * OFFSET.sizeof), COMM]),
    );
    expect(await erased('for t in all_tasks\nerase t.comm\nendfor')).toEqual(tasks('third', 'init_task'));
    expect(await erased('for t in first_task via sibling\nerase t.comm size t.length\nendfor')).toEqual(
      [
        ['init_task', 7],
        ['second', 5],
        ['third', 3],
      ]
        .map(([name, n]) => [at(name as string), n])
        .sort((a, b) => Number(a[0]) - Number(b[0])),
    );
    const lengths = (await erased('for w in words\nerase w\nendfor')).map(([, length]) => length);
    expect(lengths.sort()).toEqual(['alpha'.length, 'omega!'.length].sort());
  });

  it('find a structure that another file defines', async () => {
    expect(await erased('erase opaque_pointer.inside')).toEqual([]);
    expect(await refusal('erase opaque_pointer.outside')).toContain('struct opaque has no member outside');
  });

  it.each([
    ['for t in bitten within task:tasks\nerase t.comm\nendfor', 'goes in a circle that does not come back'],
    ['for t in nowhere within task:tasks\nerase t.comm\nendfor', 'leads to memory that is not in the dump'],
    ['for t in poisoned within task:tasks\nerase t.comm\nendfor', 'leads to memory that is not in the dump'],
    ['erase lost', 'an address of "lost" is not mapped'],
    ['erase lost.sibling.comm', 'a pointer on the way to "lost.sibling.comm" is not in the dump'],
    ['erase password size lost.length', 'the size "lost.length" is not in the dump'],
    ['erase password size negative_length', 'the size "negative_length" is negative'],
  ])('end at broken data, and tell: %s', async (text, words) => {
    const { warnings } = await resolve(text);
    expect(warnings.join('\n')).toContain(words);
    expect(warnings.every((warning) => /^rules: line \d+: /.test(warning))).toBe(true);
  });

  it.each([
    ['erase nothing_of_the_kind', 'line 1: the kernel has no symbol nothing_of_the_kind'],
    ['\n\nerase init_task.nothing', 'line 3: struct task has no member nothing'],
    ['erase twice', 'the kernel has 2 symbols twice'],
    ['erase init_task.state', 'is a bit-field'],
    ['erase password.length', 'in what is no structure'],
    ['erase blob', 'a pointer to void, which needs "size" or "nullify"'],
    ['erase blob.length', 'in what a pointer to void leads to'],
    ['erase password nullify', 'is no pointer'],
    ['erase password size words', 'is no number'],
    ['for t in init_task.tasks\nerase t.comm\nendfor', '"within STRUCTURE:MEMBER" is missing'],
    ['for t in init_task.tasks within nothing:tasks\nerase t.comm\nendfor', 'no structure nothing'],
    [
      'for t in init_task.tasks within task:comm\nerase t.comm\nendfor',
      'comm of struct task is no list_head',
    ],
    ['for t in first_task via tasks\nerase t.comm\nendfor', 'tasks of struct task does not lead to another'],
    ['for t in password_length\nerase t\nendfor', 'neither an array nor a list_head nor a structure'],
  ])('are refused where they fit no dump of the kernel: %s', async (text, words) => {
    expect(await refusal(text)).toContain(words);
  });

  describe('that come to too much', () => {
    /** Memory that is mapped everywhere, or nowhere. */
    const everywhere = (paddr: number | undefined) =>
      ({
        *stretches(_: bigint, sizeBytes: number) {
          yield { paddr, sizeBytes };
        },
      }) as unknown as PageTableWalker;
    const some = 'erase password size 512M\n';

    it('are refused by the rule that is too much', async () => {
      await expect(resolve(some.repeat(2), everywhere(0))).resolves.toBeDefined();
      expect(await refusal(`${some.repeat(2)}erase blob size 1`, everywhere(0))).toBe(
        'rules: line 3: more than 1,073,741,824 bytes are to be erased in all',
      );
    });

    it('are refused where nothing of it is mapped', async () => {
      expect(await refusal(some.repeat(5000), everywhere(undefined))).toMatch(
        /^rules: line 4097: .* not mapped/,
      );
    });

    it('can be ended while they are followed', async () => {
      const end = async () => {
        throw new Error('ended');
      };
      const rules = 'erase password size 64\n'.repeat(9000);
      await expect(resolve(rules, slow(), end)).rejects.toThrow('ended');
    });

    /** A millisecond for each stretch. */
    const slow = () =>
      ({
        *stretches(_: bigint, sizeBytes: number) {
          for (const from = performance.now(); performance.now() - from < 1; );
          yield { paddr: 0, sizeBytes };
        },
      }) as unknown as PageTableWalker;
  });

  it('move with a kernel that KASLR moved', async () => {
    const commands = parseEraseConfig('rules', 'erase init_task.comm');
    const stext = (await vmlinux.symbols(new Set(['_stext']), look)).get('_stext')![0]!;
    const info = new Vmcoreinfo(`SYMBOL(_stext)=${(stext + 0x200000n).toString(16)}`);
    const names = { variables: symbolsOf(commands), structures: new Set<string>() };
    const data = await KernelData.open(vmlinux, names, info, walker, look);
    const { vaddr } = data.variable('init_task');
    expect(vaddr - 0x200000n - LINKED_AT).toBe(BigInt(at('init_task') - PADDR));
  });

  it('leave their X in what is read to be written, and nothing else is changed', async () => {
    const found = await resolve('erase init_task.comm\nerase second.key nullify\nerase password');
    const plan = erasePlan(found, 4096);
    const plain = readerOf(pages);
    const reader = new ErasingReader(readerOf(pages), plan);
    const first = PADDR / 4096;
    let changed = 0;
    for (let pfn = first; pages.peek(pfn) !== undefined; ) {
      const loaded = reader.load(pfn, 64);
      expect(plain.load(pfn, loaded)).toBe(loaded);
      for (let i = 0; i < loaded * 4096; i++) {
        const paddr = pfn * 4096 + i;
        const now = reader.bytes[reader.start + i];
        const inside = (start: number, length: number) => paddr >= start && paddr < start + length;
        const isErased = inside(at('init_task'), COMM) || inside(at('password'), 24);
        const isNull = inside(at('second', OFFSET.key), 8);
        const expected = isErased ? 0x58 : isNull ? 0 : plain.bytes[plain.start + i];
        if (now !== expected) expect({ paddr, now }).toEqual({ paddr, now: expected });
        if (isErased || isNull) changed++;
      }
      pfn += loaded;
    }
    expect(changed).toBe(16 + 24 + 8);
    const word = Buffer.alloc(12);
    expect(reader.read(at('init_task', 10), word)).toBe(true);
    expect(word.subarray(0, 6).toString()).toBe('XXXXXX');
    expect(word.subarray(6)).toEqual(Buffer.alloc(6));
    expect(eraseInfo(plan, found, () => true)).toBe(
      'erase init_task.comm size 16\nerase second.key nullify\nerase password size 24\n',
    );
    expect(eraseInfo(plan, found, () => false)).toBe('');
  });
});

describe('an erasing reader', () => {
  const pages = new PhysicalPages();
  for (let pfn = 0; pfn < 8; pfn++) pages.page(pfn).fill(pfn + 1);

  it('gives runs of pages without anything to erase as they are, and others one by one', () => {
    const range = { nullify: false, erasure: 0 };
    const plan = erasePlan({ ranges: [{ ...range, paddr: 3 * 4096 + 4090, length: 12 }] }, 4096);
    const reader = new ErasingReader(readerOf(pages), plan);
    expect(reader.load(0, 8)).toBe(3);
    expect(reader.load(3, 5)).toBe(1);
    expect(reader.bytes.subarray(reader.start + 4088, reader.start + 4096).toString('latin1')).toBe(
      '\x04\x04XXXXXX',
    );
    expect(reader.load(4, 4)).toBe(1);
    expect(reader.bytes.subarray(reader.start, reader.start + 8).toString('latin1')).toBe('XXXXXX\x05\x05');
    expect(reader.load(5, 3)).toBe(3);
    expect(reader.load(8, 1)).toBe(0);
  });

  it('takes the longer of two ranges that begin in one place, and the later of two that overlap', () => {
    const plan = erasePlan(
      {
        ranges: [
          { paddr: 0, length: 4, nullify: false, erasure: 0 },
          { paddr: 0, length: 2, nullify: true, erasure: 1 },
          { paddr: 3, length: 3, nullify: true, erasure: 2 },
        ],
      },
      4096,
    );
    const reader = new ErasingReader(readerOf(pages), plan);
    reader.load(0, 1);
    expect([...reader.bytes.subarray(0, 7)]).toEqual([0x58, 0x58, 0x58, 0, 0, 0, 1]);
  });

  it('tells of each range how much of it is kept, also of what another one covers', () => {
    const ranges = [
      { paddr: 100, length: 3 * 4096, nullify: false, erasure: 0 },
      { paddr: 4096, length: 10, nullify: false, erasure: 1 },
      { paddr: 4096, length: 4096, nullify: true, erasure: 2 },
      { paddr: 5 * 4096, length: 4096, nullify: false, erasure: 1 },
    ];
    const plan = erasePlan({ ranges }, 4096);
    expect([...plan.paddr]).toEqual([100, 4096, 8192, 5 * 4096]);
    const erasures = ['a', 'b', 'c'].map((expression, i) => ({ expression, nullify: i === 2 }));
    const asked: number[] = [];
    const isKept = (pfn: number) => asked.push(pfn) > 0 && pfn !== 2;
    expect(eraseInfo(plan, { ranges, erasures }, isKept)).toBe(
      `erase a size ${3 * 4096 - 4096}\nerase b size ${10 + 4096}\nerase c nullify\n`,
    );
    expect(asked).toEqual(asked.toSorted((a, b) => a - b));
  });
});
