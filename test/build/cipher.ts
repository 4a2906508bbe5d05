/**
 * A stand-in for the memory encryption of AMD machines: AES-128 in the manner of XEX, with a tweak made of the physical address.
 * The real tweak is not public; what matters here is that equal plaintext at two addresses differs and that nothing repeats.
 */
import { type Cipher, createCipheriv, createDecipheriv, createHash, type Decipher } from 'node:crypto';
import { parseNotes } from '../../src/read/notes.ts';
import { copyDump, openSource, type PfnRun } from './copy-dump.ts';
import { elfNote } from './notes.ts';
import { pageSize } from './physical-pages.ts';

const BLOCK = 16;

export class PageCipher {
  readonly #data: Cipher;
  readonly #undata: Decipher;
  readonly #tweak: Cipher;

  /** The same seed gives the same key. */
  constructor(seed: string) {
    const keys = createHash('sha256').update(seed).digest();
    const [data, tweak] = [keys.subarray(0, 16), keys.subarray(16)];
    this.#data = createCipheriv('aes-128-ecb', data, null).setAutoPadding(false);
    this.#undata = createDecipheriv('aes-128-ecb', data, null).setAutoPadding(false);
    this.#tweak = createCipheriv('aes-128-ecb', tweak, null).setAutoPadding(false);
  }

  /** What DRAM holds of a page that is written through a mapping with the encryption bit; in place. */
  encipher(pfn: number, page: Buffer): void {
    this.#apply(pfn, page, this.#data);
  }

  /** What a mapping with the encryption bit shows of the page in DRAM; in place. */
  decipher(pfn: number, page: Buffer): void {
    this.#apply(pfn, page, this.#undata);
  }

  #apply(pfn: number, page: Buffer, cipher: Cipher | Decipher): void {
    const addresses = new Uint32Array(page.length / 4);
    for (let at = 0; at < page.length; at += BLOCK) {
      const paddr = pfn * pageSize + at;
      addresses[at / 4] = paddr % 2 ** 32;
      addresses[at / 4 + 1] = paddr / 2 ** 32;
    }
    const tweaks = words(this.#tweak.update(bytesOf(addresses)));
    const data = words(page);
    for (let i = 0; i < data.length; i++) data[i] ^= tweaks[i];
    const through = words(cipher.update(bytesOf(data)));
    for (let i = 0; i < data.length; i++) data[i] = through[i] ^ tweaks[i];
    page.set(bytesOf(data));
  }
}

/** A copy, as words. */
function words(bytes: Uint8Array): Uint32Array {
  const copy = new Uint32Array(bytes.length / 4);
  bytesOf(copy).set(bytes);
  return copy;
}

const bytesOf = (data: Uint32Array): Uint8Array => new Uint8Array(data.buffer);

/**
 * What is left of the notes. Both the kernel and QEMU drop what makes no sense: fs/proc/vmcore.c,
 * update_note_header_size_elf64 ("Zero PT_NOTE entries found"), and QEMU's dump/dump.c, dump_init ("Invalid guest note header").
 */
export type NotesAre = 'plain' | 'without VMCOREINFO' | 'none' | 'VMCOREINFO is noise' | 'noise';

/** Whose page frames go through which cipher, and what becomes of the notes. */
export const SITUATIONS = {
  /** mem_encrypt=on in the first kernel, off in the capture kernel; made from an SME twin with the same seed, whose shared pages come out plain. */
  'on-off': { direction: 'encipher', notes: 'none' },
  /** off in the first kernel, on in the capture kernel: made from an ordinary dump. */
  'off-on': { direction: 'decipher', notes: 'none' },
  /** dump-guest-memory of a SEV guest, taken on its host: made from an SME twin, as the first. */
  'guest-from-host': { direction: 'encipher', notes: 'without VMCOREINFO' },
} as const satisfies Record<string, { direction: 'encipher' | 'decipher'; notes: NotesAre }>;

export interface EncipherOptions {
  readonly from: string;
  /** An ELF core file. */
  readonly to: string;
  readonly situation: keyof typeof SITUATIONS;
  /** Default: makeSmeTwin's. */
  readonly seed?: string;
  /** Page frames that stay as they are. An SME twin needs none: its noise becomes what it was made of. */
  readonly plain?: readonly PfnRun[];
  /** Instead of what the situation leaves of them. */
  readonly notes?: NotesAre;
}

export const SEED = 'smelt';

export async function encipher(options: EncipherOptions): Promise<void> {
  const { direction, notes } = SITUATIONS[options.situation];
  const cipher = new PageCipher(options.seed ?? SEED);
  const isPlain = (pfn: number) =>
    (options.plain ?? []).some((run) => pfn >= run.pfn && pfn < run.pfn + run.count);
  const source = await openSource(options.from);
  try {
    const left = notesAs(options.notes ?? notes, source.file.notes, cipher);
    copyDump(source, options.to, left, (pfn, page) => {
      if (!isPlain(pfn)) cipher[direction](pfn, page);
    });
  } finally {
    source.close();
  }
}

function notesAs(kind: NotesAre, notes: Uint8Array, cipher: PageCipher): Uint8Array {
  if (kind === 'plain') return notes;
  if (kind === 'none') return new Uint8Array();
  if (kind === 'noise') return noiseOf(notes, cipher);
  const left: Uint8Array[] = [];
  for (const { name, type, desc } of parseNotes(notes)) {
    if (name !== 'VMCOREINFO') left.push(elfNote(name, type, desc));
    else if (kind === 'VMCOREINFO is noise') left.push(elfNote(name, type, noiseOf(desc, cipher)));
  }
  return Buffer.concat(left);
}

/** As many bytes of ciphertext. */
function noiseOf(bytes: Uint8Array, cipher: PageCipher): Uint8Array {
  const padded = Buffer.alloc(Math.ceil(bytes.length / BLOCK) * BLOCK);
  padded.set(bytes);
  cipher.encipher(0, padded);
  return padded.subarray(0, bytes.length);
}
