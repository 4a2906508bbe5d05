/** What the loops of rules are over: list_heads, arrays, and structures that lead to the next. */

import type { Type } from '../../read/debug/types.ts';
import type { Loop } from './config.ts';
import { follow, type Miss, thingAt } from './expressions.ts';
import { type KernelData, NoSuchThing, type Thing } from './kernel-data.ts';

/** What a loop is over. @throws NoSuchThing */
export async function* elementsOf(data: KernelData, loop: Loop, miss: Miss): AsyncGenerator<Thing> {
  const { list, via, within } = loop;
  const isHead = (type: Type) => type.kind === 'structure' && type.name === 'list_head';
  // `head.next` means the list of `head`.
  const { members } = list;
  const bare = members.at(-1) === 'next' ? { ...list, members: members.slice(0, -1) } : list;
  const short = await thingAt(data, bare, undefined, miss);
  const thing =
    short !== undefined && isHead(short.type) ? short : await thingAt(data, list, undefined, miss);
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
    for (const at of chain(data, start, next.byteOffset, thing.vaddr, loop, miss))
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
  const start = type.kind === 'pointer' ? follow(data, thing, list.text, miss) : thing.vaddr;
  for (const vaddr of chain(data, start, member.byteOffset, undefined, loop, miss))
    yield { vaddr, type: structure };
}

/** Nodes of a list from the first to the last, NULL or `head` behind it, or the first again. A list that bites its tail elsewhere is left there. */
function* chain(
  data: KernelData,
  start: bigint | undefined,
  nextOffset: number,
  head: bigint | undefined,
  { list }: Loop,
  miss: Miss,
): Generator<bigint> {
  // Every so many steps a node is remembered: who comes to it again goes in circles (Brent).
  let remembered: bigint | undefined;
  let [steps, limit] = [0, 1];
  let at = start;
  while (at !== undefined && at !== 0n && at !== head) {
    if (at === remembered) {
      miss(`the list "${list.text}" goes in a circle that does not come back to its beginning`);
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
    miss(`the list "${list.text}" leads to memory that is not in the dump, and was left there`);
}
