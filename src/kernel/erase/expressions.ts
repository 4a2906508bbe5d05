/** What a rule names, in the dump at hand: through members and pointers to an address and a number of bytes. */

import type { Type } from '../../read/debug/types.ts';
import type { EraseRule, Expression, Loop } from './config.ts';
import { type KernelData, NoSuchThing, type Thing } from './kernel-data.ts';

/** Told of data that are damaged or not in the dump: half a sentence. */
export type Miss = (what: string) => void;

const PAGE_BYTES = 4096;
/** How makedumpfile bounds a string. */
const MAX_STRING_BYTES = 1024;

/** The bytes that a rule erases; undefined where there is nothing, or it cannot be reached. @throws NoSuchThing */
export async function placeOf(
  data: KernelData,
  rule: EraseRule,
  loop: Loop | undefined,
  element: Thing | undefined,
  miss: Miss,
): Promise<{ vaddr: bigint; length: number } | undefined> {
  const { target, size, nullify } = rule;
  const thingOf = (expression: Expression) =>
    thingAt(data, expression, loop?.id === expression.first ? element : undefined, miss);
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
    const to = follow(data, thing, target.text, miss);
    if (to === undefined) return undefined;
    vaddr = to;
  }
  if (typeof size === 'number') return { vaddr, length: size };
  if (size !== undefined) {
    const number = await thingOf(size);
    const length = number && numberAt(data, number, size.text, miss);
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
export async function thingAt(
  data: KernelData,
  { text, first, members }: Expression,
  element: Thing | undefined,
  miss: Miss,
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
      const vaddr = follow(data, thing, text, miss);
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
export function follow(data: KernelData, { vaddr }: Thing, text: string, miss: Miss): bigint | undefined {
  const to = data.readPointer(vaddr);
  if (to === undefined)
    miss(`a pointer on the way to "${text}" is not in the dump, and what it led to was not erased`);
  return to === 0n ? undefined : to;
}

function numberAt(data: KernelData, { vaddr, type }: Thing, text: string, miss: Miss): number | undefined {
  if (type.kind !== 'base' || ![1, 2, 4, 8].includes(type.sizeBytes))
    throw new NoSuchThing(`"${text}" is no number, which a size is`);
  const bytes = data.read(vaddr, type.sizeBytes);
  if (bytes === undefined) {
    miss(`the size "${text}" is not in the dump, and nothing was erased by it`);
    return undefined;
  }
  if (type.isSigned && bytes.at(-1)! >= 0x80) {
    miss(`the size "${text}" is negative, and nothing was erased by it`);
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
    const bytes = data.read(vaddr + BigInt(length), Math.min(MAX_STRING_BYTES - length, PAGE_BYTES - inPage));
    const end = bytes?.indexOf(0) ?? 0;
    if (end >= 0) return length + end;
    length += bytes!.length;
  }
  return length;
}
