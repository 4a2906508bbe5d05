/** From rules to the bytes of physical memory that they erase. */

import type { PageTableWalker } from '../../arch/page-table.ts';
import { SmeltError } from '../../errors.ts';
import type { Type } from '../../read/debug/types.ts';
import { comma } from '../../read/file.ts';
import type { EraseCommand, EraseRule, Expression, Loop } from './config.ts';
import { type KernelData, LOWEST_KERNEL_ADDRESS, NoSuchThing, type Thing } from './kernel-data.ts';

/** One run of bytes in physical memory. */
export interface EraseRange {
  readonly paddr: number;
  readonly length: number;
  readonly nullify: boolean;
  /** Which of the `erasures` it is a part of. */
  readonly erasure: number;
}

/** One thing that is erased: a rule, or one turn of a loop. */
export interface Erasure {
  /** As the rule names it. */
  readonly expression: string;
  readonly nullify: boolean;
}

export interface EraseRanges {
  /** Ascending by address; they may overlap. */
  readonly ranges: readonly EraseRange[];
  readonly erasures: readonly Erasure[];
  /** What could not be erased because the dump's memory is damaged or not there: one sentence each. */
  readonly warnings: readonly string[];
}

/** Loops, and all that is erased: rules that come to more are refused, as they cannot be followed. */
const MAX_ELEMENTS = 2 ** 20;
const MAX_RANGES = 2 ** 20;
/** One rule: log_buf and the largest tables of the kernel are below. */
const MAX_LENGTH = 2 ** 32;
/** How makedumpfile bounds a string. */
const MAX_STRING_BYTES = 1024;
const ELEMENTS_A_LOOK = 256;

/** @throws SmeltError for rules that no dump of this kernel can be erased by */
export async function eraseRanges(
  path: string,
  commands: readonly EraseCommand[],
  data: KernelData,
  walker: PageTableWalker,
  look: () => Promise<void>,
): Promise<EraseRanges> {
  const collector = new Collector(path, walker);
  for (const { loop, rules } of commands) {
    let line = loop?.line ?? 0;
    const one = async (rule: EraseRule, element: Thing | undefined) => {
      line = rule.line;
      const place = await placeOf(data, rule, loop, element, collector);
      if (place !== undefined) collector.add(rule, place.vaddr, place.length);
    };
    try {
      if (loop === undefined) {
        await one(rules[0]!, undefined);
        continue;
      }
      let elements = 0;
      for await (const element of elementsOf(data, loop, collector)) {
        if (++elements > MAX_ELEMENTS) {
          collector.miss(
            loop.line,
            `the list goes on after ${comma(MAX_ELEMENTS)} elements, and was left there`,
          );
          break;
        }
        for (const rule of rules) await one(rule, element);
        if (elements % ELEMENTS_A_LOOK === 0) await look();
        line = loop.line;
      }
    } catch (error) {
      if (!(error instanceof NoSuchThing)) throw error;
      throw new SmeltError('UNSUPPORTED', `${path}: line ${line}: ${error.message}`, {
        hint: 'A dump in which what is to be erased was not is not written: change the rule, or take it out.',
      });
    }
  }
  return collector.result();
}

class Collector {
  private readonly path: string;
  private readonly walker: PageTableWalker;
  private readonly ranges: EraseRange[] = [];
  private readonly erasures: Erasure[] = [];
  /** How often something was missed, by its sentence. */
  private readonly missed = new Map<string, number>();

  constructor(path: string, walker: PageTableWalker) {
    this.path = path;
    this.walker = walker;
  }

  add({ line, target, nullify }: EraseRule, vaddr: bigint, length: number): void {
    if (length <= 0) return;
    if (length > MAX_LENGTH) {
      this.miss(line, `a size of ${comma(length)} bytes makes no sense, and nothing was erased by it`);
      return;
    }
    if (vaddr < LOWEST_KERNEL_ADDRESS) {
      this.miss(line, `"${target.text}" leads to no kernel memory, and nothing was erased there`);
      return;
    }
    const erasure = this.erasures.length;
    this.erasures.push({ expression: target.text, nullify });
    for (const { paddr, sizeBytes } of this.walker.stretches(vaddr, length)) {
      if (paddr === undefined) {
        this.miss(line, `an address of "${target.text}" is not mapped, and nothing was erased there`);
        continue;
      }
      if (this.ranges.length === MAX_RANGES) {
        throw new SmeltError(
          'UNSUPPORTED',
          `${this.path}: line ${line}: more than ${comma(MAX_RANGES)} places are to be erased`,
          {
            hint: 'Erase less, or by fewer rules.',
          },
        );
      }
      this.ranges.push({ paddr, length: sizeBytes, nullify, erasure });
    }
  }

  miss(line: number, what: string): void {
    const sentence = `${this.path}: line ${line}: ${what}`;
    this.missed.set(sentence, (this.missed.get(sentence) ?? 0) + 1);
  }

  result(): EraseRanges {
    const ranges = this.ranges.sort((a, b) => a.paddr - b.paddr || a.length - b.length);
    const warnings = [...this.missed].map(([sentence, times]) =>
      times === 1 ? sentence : `${sentence} (${comma(times)} times)`,
    );
    return { ranges, erasures: this.erasures, warnings };
  }
}

/** The bytes that a rule erases; undefined where there is nothing, or it cannot be reached. @throws NoSuchThing */
async function placeOf(
  data: KernelData,
  rule: EraseRule,
  loop: Loop | undefined,
  element: Thing | undefined,
  collector: Collector,
): Promise<{ vaddr: bigint; length: number } | undefined> {
  const { line, target, size, nullify } = rule;
  const thingOf = (expression: Expression) =>
    thingAt(data, expression, loop?.id === expression.first ? element : undefined, line, collector);
  const thing = await thingOf(target);
  if (thing === undefined) return undefined;
  const { type } = thing;
  if (nullify) {
    if (type.kind !== 'pointer')
      throw new NoSuchThing(`"${target.text}" is no pointer, which nullify is for`);
    return { vaddr: thing.vaddr, length: type.sizeBytes };
  }
  let { vaddr } = thing;
  if (type.kind === 'pointer') {
    const to = follow(data, thing, target.text, line, collector);
    if (to === undefined) return undefined;
    vaddr = to;
  }
  if (typeof size === 'number') return { vaddr, length: size };
  if (size !== undefined) {
    const number = await thingOf(size);
    const length = number && numberAt(data, number, size.text, line, collector);
    return length === undefined ? undefined : { vaddr, length };
  }
  if (type.kind !== 'pointer') return { vaddr, length: lengthOf(data, type, target.text) };
  const pointee = await data.pointee(type);
  if (pointee === undefined)
    throw new NoSuchThing(`"${target.text}" is a pointer to void, which needs "size" or "nullify"`);
  return {
    vaddr,
    length: isChar(pointee) ? stringLength(data, vaddr) : lengthOf(data, pointee, target.text),
  };
}

function lengthOf(data: KernelData, type: Type, text: string): number {
  const length = data.sizeOf(type);
  if (length === undefined) throw new NoSuchThing(`the size of "${text}" is not known: it needs "size"`);
  return length;
}

/** Follows an expression through members and pointers; undefined where a pointer on the way is NULL or leads nowhere. */
async function thingAt(
  data: KernelData,
  { text, first, members }: Expression,
  element: Thing | undefined,
  line: number,
  collector: Collector,
): Promise<Thing | undefined> {
  let thing = element ?? data.variable(first);
  for (const name of members) {
    if (thing.type.kind === 'array') thing = { vaddr: thing.vaddr, type: data.element(thing.type) };
    if (thing.type.kind === 'pointer') {
      const type = await data.pointee(thing.type);
      if (type === undefined)
        throw new NoSuchThing(`there is no member ${name} in what a pointer to void leads to`);
      // What is wrong with the rule is told even where the pointer is NULL in this dump.
      await data.memberOf(type, name);
      const vaddr = follow(data, thing, text, line, collector);
      if (vaddr === undefined) return undefined;
      thing = { vaddr, type };
    }
    const member = await data.memberOf(thing.type, name);
    thing = {
      vaddr: BigInt.asUintN(64, thing.vaddr + BigInt(member.byteOffset)),
      type: data.typeOf(member),
    };
  }
  return thing;
}

/** What a pointer holds; undefined for NULL, and with a warning where it cannot be read. */
function follow(
  data: KernelData,
  { vaddr }: Thing,
  text: string,
  line: number,
  collector: Collector,
): bigint | undefined {
  const to = data.readPointer(vaddr);
  if (to === undefined)
    collector.miss(
      line,
      `a pointer on the way to "${text}" is not in the dump, and what it led to was not erased`,
    );
  return to === 0n ? undefined : to;
}

function numberAt(
  data: KernelData,
  { vaddr, type }: Thing,
  text: string,
  line: number,
  collector: Collector,
): number | undefined {
  if (type.kind !== 'base' || ![1, 2, 4, 8].includes(type.sizeBytes))
    throw new NoSuchThing(`"${text}" is no number, which a size is`);
  const bytes = data.read(vaddr, type.sizeBytes);
  if (bytes === undefined) {
    collector.miss(line, `the size "${text}" is not in the dump, and nothing was erased by it`);
    return undefined;
  }
  return type.sizeBytes === 8 ? Number(bytes.readBigUInt64LE(0)) : bytes.readUIntLE(0, type.sizeBytes);
}

function isChar(type: Type): boolean {
  return type.kind === 'base' && type.name === 'char';
}

/** As far as it can be read. */
function stringLength(data: KernelData, vaddr: bigint): number {
  let length = 0;
  while (length < MAX_STRING_BYTES) {
    const inPage = Number((vaddr + BigInt(length)) & 0xfffn);
    const bytes = data.read(vaddr + BigInt(length), Math.min(MAX_STRING_BYTES - length, 4096 - inPage));
    const end = bytes?.indexOf(0) ?? 0;
    if (end >= 0) return length + end;
    length += bytes!.length;
  }
  return length;
}

/** What a loop is over. @throws NoSuchThing */
async function* elementsOf(data: KernelData, loop: Loop, collector: Collector): AsyncGenerator<Thing> {
  const { list, line, via, within } = loop;
  const isHead = (type: Type) => type.kind === 'structure' && type.name === 'list_head';
  // `head.next` means the list of `head`.
  const { members } = list;
  const bare = members.at(-1) === 'next' ? { ...list, members: members.slice(0, -1) } : list;
  const short = await thingAt(data, bare, undefined, line, collector);
  const thing =
    short !== undefined && isHead(short.type) ? short : await thingAt(data, list, undefined, line, collector);
  if (thing === undefined) return;
  const { type } = thing;
  if (isHead(type)) {
    if (within === undefined)
      throw new NoSuchThing(`"${list.text}" is a list_head: "within STRUCTURE:MEMBER" is missing`);
    const structure = await data.structure(within.structure);
    const member = await data.memberOf(structure, within.member);
    if (!isHead(data.typeOf(member)))
      throw new NoSuchThing(`${within.member} of struct ${within.structure} is no list_head`);
    const next = await data.memberOf(type, 'next');
    const start = data.readPointer(thing.vaddr);
    for (const at of chain(data, start, next.byteOffset, thing.vaddr, loop, collector))
      yield { vaddr: BigInt.asUintN(64, at - BigInt(member.byteOffset)), type: structure };
    return;
  }
  if (type.kind === 'array') {
    const element = data.element(type);
    const size = data.sizeOf(element);
    if (size === undefined || type.length === undefined)
      throw new NoSuchThing(`the size of "${list.text}" is not known`);
    for (let i = 0; i < type.length; i++) yield { vaddr: thing.vaddr + BigInt(i * size), type: element };
    return;
  }
  const structure = type.kind === 'pointer' ? await data.pointee(type) : type;
  if (structure === undefined || (structure.kind !== 'structure' && structure.kind !== 'union'))
    throw new NoSuchThing(`"${list.text}" is neither an array nor a list_head nor a structure`);
  const member = await data.memberOf(structure, via ?? 'next');
  const target = await data.pointee(data.typeOf(member));
  if (target === undefined || target.kind !== structure.kind || target.name !== structure.name)
    throw new NoSuchThing(
      `${via ?? 'next'} of struct ${structure.name} does not lead to another struct ${structure.name}`,
    );
  const start = type.kind === 'pointer' ? follow(data, thing, list.text, line, collector) : thing.vaddr;
  for (const vaddr of chain(data, start, member.byteOffset, undefined, loop, collector))
    yield { vaddr, type: structure };
}

/** Nodes of a list from the first to the last, NULL or `head` behind it, or the first again. A list that bites its tail elsewhere is left there. */
function* chain(
  data: KernelData,
  start: bigint | undefined,
  nextOffset: number,
  head: bigint | undefined,
  { line, list }: Loop,
  collector: Collector,
): Generator<bigint> {
  // Every so many steps a node is remembered: who comes to it again goes in circles (Brent).
  let remembered: bigint | undefined;
  let [steps, limit] = [0, 1];
  let at = start;
  while (at !== undefined && at !== 0n && at !== head) {
    if (at === remembered) {
      collector.miss(
        line,
        `the list "${list.text}" goes in a circle that does not come back to its beginning`,
      );
      return;
    }
    if (++steps === limit) {
      remembered = at;
      steps = 0;
      limit *= 2;
    }
    yield at;
    at = data.readPointer(BigInt.asUintN(64, at + BigInt(nextOffset)));
    if (head === undefined && at === start) return;
  }
  if (at === undefined)
    collector.miss(
      line,
      `the list "${list.text}" leads to memory that is not in the dump, and was left there`,
    );
}
