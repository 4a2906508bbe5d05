/** VMCOREINFO: the text in which a kernel describes itself to dump tools. Source: kernel/vmcore_info.c. */

import type { SymbolSource } from '../arch/arch.ts';
import type { Note } from '../read/dump-file.ts';

export const VMCOREINFO_NOTE = 'VMCOREINFO';
/** The kernel's own limit is one page; makedumpfile -g writes more. */
export const MAX_VMCOREINFO_BYTES = 1024 * 1024;

/** Values by key as the kernel writes them: `NUMBER(phys_base)`, `SYMBOL(_stext)`, `OSRELEASE`. */
export class Vmcoreinfo implements SymbolSource {
  readonly text: string;
  private readonly values = new Map<string, string>();

  constructor(text: string) {
    this.text = text;
    for (const line of text.split('\n')) {
      const equals = line.indexOf('=');
      const key = line.slice(0, equals);
      // The first of two lines with one key counts, as makedumpfile has it.
      if (equals > 0 && !this.values.has(key)) this.values.set(key, line.slice(equals + 1));
    }
  }

  string(key: string): string | undefined {
    return this.values.get(key);
  }

  /** Always hexadecimal, without a prefix. */
  symbol(name: string): bigint | undefined {
    return parseHex(this.values.get(`SYMBOL(${name})`));
  }

  /** Decimal, signed; hexadecimal where it says so. */
  number(name: string): bigint | undefined {
    return parseNumber(this.values.get(`NUMBER(${name})`));
  }

  /** Byte offset of a struct's member. */
  offset(member: string): number | undefined {
    return small(this.values.get(`OFFSET(${member})`));
  }

  size(name: string): number | undefined {
    return small(this.values.get(`SIZE(${name})`));
  }

  length(name: string): number | undefined {
    return small(this.values.get(`LENGTH(${name})`));
  }

  get release(): string | undefined {
    return this.values.get('OSRELEASE');
  }

  /** Of one build of a kernel: the build-id of its vmlinux, in hexadecimal. Older kernels do not say it. */
  get buildId(): string | undefined {
    const text = this.values.get('BUILD-ID');
    return text !== undefined && /^([0-9a-f]{2}){4,64}$/i.test(text) ? text.toLowerCase() : undefined;
  }

  /** What KASLR added to the addresses that the kernel was linked for; hexadecimal without a prefix. */
  get kernelOffset(): bigint | undefined {
    return parseHex(this.values.get('KERNELOFFSET'));
  }

  /** Seconds since 1970. */
  get crashTime(): number | undefined {
    const text = this.values.get('CRASHTIME');
    return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  }

  get pageSize(): number | undefined {
    return small(this.values.get('PAGESIZE'));
  }
}

function parseHex(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[0-9a-f]{1,16}$/i.test(text) ? BigInt(`0x${text}`) : undefined;
}

function parseNumber(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (/^-?\d{1,20}$/.test(text)) return BigInt(text);
  if (/^0x[0-9a-f]{1,16}$/i.test(text)) return BigInt(text);
  return parseHex(text);
}

/** Sizes, offsets and lengths: above 2^31 there is nothing sensible. */
function small(text: string | undefined): number | undefined {
  const value = parseNumber(text);
  return value !== undefined && value >= 0n && value < 1n << 31n ? Number(value) : undefined;
}

/** The text of the VMCOREINFO note, where there is one. */
export function vmcoreinfoFromNotes(notes: Iterable<Note>): string | undefined {
  for (const note of notes) {
    if (note.name === VMCOREINFO_NOTE) return textOf(note.desc);
  }
  return undefined;
}

/** Up to the first NUL: the kernel's note is padded. */
export function textOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
