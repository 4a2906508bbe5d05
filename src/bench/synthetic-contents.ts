/** What stands in the pages of a synthetic machine: seeded bytes that compress as those of a kernel do. */

import { below } from './synthetic-mix.ts';

const POOL_BYTES = 2 ** 20;
const PAGE_BYTES = 4096;
type Random = () => number;

/** One of many pages that are alike, a different one each time. */
export interface Contents {
  code(random: Random): Uint8Array;
  /** Of the kernel's memory at large. */
  any(random: Random): Uint8Array;
}

/** Pools of each sort, of which a page is a piece that begins anywhere. */
export function makeContents(random: Random): Contents {
  const pool = (make: (random: Random) => Uint8Array | string) => {
    const bytes = Buffer.alloc(POOL_BYTES);
    for (let at = 0; at < POOL_BYTES; ) at += Buffer.from(make(random)).copy(bytes, at);
    return (from: Random) => {
      const at = below((POOL_BYTES - PAGE_BYTES) / 8, from) * 8;
      return bytes.subarray(at, at + PAGE_BYTES);
    };
  };
  const text = pool(logLine);
  const objects = pool(slabOfObjects);
  const code = pool(instruction);
  const noise = pool((from) => new Uint8Array(Uint32Array.of(anyWord(from), anyWord(from)).buffer));
  const sorts = [text, text, objects, objects, objects, objects, objects, code, code, noise];
  return { code, any: (from) => sorts[below(sorts.length, from)]!(from) };
}

const anyWord = (random: Random) => below(2 ** 32, random);

const WORDS =
  'device driver cpu node irq memory page fault mapped at for with version bus port link up down reset queue interrupt handler registered enabled disabled error timeout retry sda nvme0n1 eth0 usb pci acpi cgroup systemd audit state address range reserved usable'.split(
    ' ',
  );

function logLine(random: Random): string {
  const words = Array.from({ length: 4 + below(8, random) }, () =>
    below(5, random) === 0 ? `0x${anyWord(random).toString(16)}` : WORDS[below(WORDS.length, random)],
  );
  return `[${below(100000, random)}.${below(1000000, random)}] ${words.join(' ')}\n`;
}

/** Objects of one structure: each word is in all of them of the same sort, the first one a pointer. */
function slabOfObjects(random: Random): Uint8Array {
  const words = 8 << below(4, random);
  const count = 4096 / 8 / words;
  const sorts = Array.from(
    { length: words },
    (_, word) => [word === 0 ? 50 : below(100, random), anyWord(random)] as const,
  );
  const slab = new Uint32Array(1024);
  for (let i = 0; i < count * words; i++) {
    const [sort, constant] = sorts[i % words]!;
    if (sort < 45) continue;
    if (sort < 65)
      slab.set([(anyWord(random) & 0x3fff_ffc0) + (constant & 0x38), 0xffff_8880 + (constant % 4)], i * 2);
    else if (sort < 75) slab.set([0x8100_0000 + (constant & 0xff_ffff), 0xffff_ffff], i * 2);
    else if (sort < 90) slab[i * 2] = below(256, random);
    else slab.set([constant, below(0x10000, random)], i * 2);
  }
  return new Uint8Array(slab.buffer);
}

/** The beginnings of common x86 instructions, each with how many bytes of operands follow. */
const INSTRUCTIONS: readonly (readonly [hex: string, operandBytes: number])[] = [
  ['4889', 1],
  ['488b', 2],
  ['488d', 2],
  ['4885c0', 0],
  ['74', 1],
  ['75', 1],
  ['0f84', 2],
  ['e8', 3],
  ['55', 0],
  ['5b5d415cc3', 0],
  ['4c89', 1],
  ['83', 2],
  ['31c0', 0],
  ['488b4424', 1],
  ['48c7', 4],
  ['0fb6', 1],
  ['f3c3cccccccccccc', 0],
  ['65488b0425', 2],
];

function instruction(random: Random): Uint8Array {
  const [hex, operandBytes] = INSTRUCTIONS[below(INSTRUCTIONS.length, random)]!;
  const operands = Array.from({ length: operandBytes }, () =>
    below(below(3, random) === 0 ? 0x100 : 0x40, random),
  );
  return Uint8Array.of(...Buffer.from(hex, 'hex'), ...operands);
}
