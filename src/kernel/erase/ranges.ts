/** From rules to the bytes of physical memory that they erase. */

import type { PageTableWalker } from '../../arch/page-table.ts';
import { SmeltError } from '../../errors.ts';
import { Turns } from '../../read/debug/turns.ts';
import { comma } from '../../read/file.ts';
import type { EraseCommand, EraseRule } from './config.ts';
import { placeOf } from './expressions.ts';
import { type KernelData, LOWEST_KERNEL_ADDRESS, NoSuchThing, type Thing } from './kernel-data.ts';
import { elementsOf } from './lists.ts';

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

const MAX_ELEMENTS = 2 ** 20;
/** How often a rule is followed, in all loops together. */
const MAX_TURNS = 2 ** 22;
const MAX_RANGES = 2 ** 20;
/** One rule, and all of them: log_buf and the largest tables of the kernel are below. */
const MAX_LENGTH = 2 ** 30;
const MAX_ERASED_BYTES = 2 ** 30;
/** What rules name and is not mapped, all of them together: to find that out takes time too. */
const MAX_MISSING_BYTES = 2 ** 34;
const END_OF_MEMORY = 2n ** 64n;
/** A page of page-table entries that is missing hides 2 MiB: where more than that is not mapped, a length was nonsense. */
const LARGEST_HOLE = 2 ** 22;

/** @throws SmeltError for rules that no dump of this kernel can be erased by */
export async function eraseRanges(
  path: string,
  commands: readonly EraseCommand[],
  data: KernelData,
  walker: PageTableWalker,
  look: () => Promise<void>,
): Promise<EraseRanges> {
  const turns = new Turns(look);
  const collector = new Collector(path, walker, turns);
  let rulesFollowed = 0;
  for (const { loop, rules } of commands) {
    let line = loop?.line ?? 0;
    const one = async (rule: EraseRule, element: Thing | undefined) => {
      line = rule.line;
      await turns.take();
      if (++rulesFollowed > MAX_TURNS)
        throw tooMuch(path, line, `there are more than ${comma(MAX_TURNS)} things to erase in all`);
      const place = await placeOf(data, rule, loop, element, (what) => collector.miss(rule.line, what));
      if (place !== undefined) await collector.add(rule, place.vaddr, place.length);
    };
    try {
      if (loop === undefined) {
        await one(rules[0]!, undefined);
        continue;
      }
      let elements = 0;
      for await (const element of elementsOf(data, loop, (what) => collector.miss(loop.line, what))) {
        if (++elements > MAX_ELEMENTS) {
          collector.miss(
            loop.line,
            `the list goes on after ${comma(MAX_ELEMENTS)} elements, and was left there`,
          );
          break;
        }
        for (const rule of rules) await one(rule, element);
        // A loop may have no rules.
        await turns.take();
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

function tooMuch(path: string, line: number, what: string): SmeltError {
  return new SmeltError('UNSUPPORTED', `${path}: line ${line}: ${what}`, {
    hint: 'Erase less, or by fewer rules.',
  });
}

class Collector {
  private readonly path: string;
  private readonly walker: PageTableWalker;
  private readonly turns: Turns;
  private readonly ranges: EraseRange[] = [];
  private readonly erasures: Erasure[] = [];
  /** Bytes of all ranges, and of what is not mapped. */
  private erasedBytes = 0;
  private missingBytes = 0;
  /** How often something was missed, by its sentence. */
  private readonly missed = new Map<string, number>();

  constructor(path: string, walker: PageTableWalker, turns: Turns) {
    this.path = path;
    this.walker = walker;
    this.turns = turns;
  }

  async add({ line, target, nullify }: EraseRule, vaddr: bigint, size: number): Promise<void> {
    let length = size;
    if (!(length > 0)) return;
    if (length > MAX_LENGTH) {
      this.miss(line, `a size of ${comma(length)} bytes makes no sense, and nothing was erased by it`);
      return;
    }
    if (vaddr < LOWEST_KERNEL_ADDRESS) {
      this.miss(line, `"${target.text}" leads to no kernel memory, and nothing was erased there`);
      return;
    }
    if (vaddr + BigInt(length) > END_OF_MEMORY) {
      this.miss(line, `"${target.text}" goes on behind the end of memory, and nothing was erased there`);
      length = Number(END_OF_MEMORY - vaddr);
    }
    const erasure = this.erasures.length;
    this.erasures.push({ expression: target.text, nullify });
    for (let done = 0; done < length; done += LARGEST_HOLE) {
      const before = this.ranges.length;
      let isWhole = true;
      const part = this.walker.stretches(vaddr + BigInt(done), Math.min(LARGEST_HOLE, length - done));
      for (const { paddr, sizeBytes } of part) {
        if (paddr !== undefined) {
          this.addRange({ paddr, length: sizeBytes, nullify, erasure }, line);
          continue;
        }
        isWhole = false;
        this.missingBytes += sizeBytes;
        if (this.missingBytes > MAX_MISSING_BYTES)
          throw tooMuch(
            this.path,
            line,
            `more than ${comma(MAX_MISSING_BYTES)} bytes that are to be erased are not mapped`,
          );
      }
      if (!isWhole)
        this.miss(line, `an address of "${target.text}" is not mapped, and nothing was erased there`);
      if (this.ranges.length === before) return;
      await this.turns.take();
    }
  }

  private addRange(range: EraseRange, line: number): void {
    this.erasedBytes += range.length;
    if (this.erasedBytes > MAX_ERASED_BYTES)
      throw tooMuch(this.path, line, `more than ${comma(MAX_ERASED_BYTES)} bytes are to be erased in all`);
    if (this.ranges.length === MAX_RANGES)
      throw tooMuch(this.path, line, `there are more than ${comma(MAX_RANGES)} places to erase in all`);
    this.ranges.push(range);
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
