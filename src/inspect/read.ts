/** `smelt read`: bytes of the dumped memory, by physical or virtual address or symbol. */

import { setImmediate as breathe } from 'node:timers/promises';
import { nextExtent } from '../read/extents.ts';
import { comma } from '../read/file.ts';
import { inputReport, stopIfAborted } from '../workers/input.ts';
import type { DumpObserver, InputReport, InputRequest, RunReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { find, type Where } from './address.ts';
import { type Looking, withKernel } from './looking.ts';
import { WORD_BYTES, type WordReport, Words } from './words.ts';

export interface ReadRequest extends InputRequest {
  readonly where: Where;
  /** 1 or more. */
  readonly length: number;
  /** Whether the report has the bytes, up to MOST_TOLD of them: `take` does without them else. */
  readonly withBytes: boolean;
  /** Whether pieces come with their words; the length becomes a multiple of theirs. */
  readonly words?: boolean | undefined;
}

/** What a report has room for: 256 KiB. */
export const MOST_TOLD = 2 ** 18;

export interface ReadReport extends RunReport {
  readonly input: InputReport;
  readonly vaddr: bigint | undefined;
  /** Of the first byte; undefined where it is not mapped. */
  readonly paddr: number | undefined;
  readonly length: number;
  /** Of these. */
  readonly missingBytes: number;
  /** One behind the other; undefined where nobody asked for them, or they are more than 262,144 bytes: --raw has them. */
  readonly pieces: readonly PieceReport[] | undefined;
  /** The same as words; undefined where nobody asked for them, or where `pieces` is. */
  readonly words: readonly WordReport[] | undefined;
}

export interface PieceReport {
  /** As it was asked for: virtual or physical. */
  readonly address: bigint;
  readonly length: number;
  /** Two digits a byte; undefined: not mapped, or not in the dump. */
  readonly hex: string | undefined;
}

/** One behind the other; `bytes` undefined: not mapped, or not in the dump. */
export interface Piece {
  /** As it was asked for: virtual or physical. */
  readonly address: bigint;
  readonly paddr: number | undefined;
  readonly length: number;
  readonly bytes: Buffer | undefined;
  /** Those that are whole with this piece, where words were asked for; the last piece may have none but words. */
  readonly words?: readonly WordReport[];
}

/** Of words alone. */
const LAST: Piece = { address: 0n, paddr: 0, length: 0, bytes: Buffer.alloc(0) };
/** Behind the last address. */
const END = 1n << 64n;
/** How often signals get their turn. */
const BREATH_MS = 20;

/** `take` gets piece after piece; those that have bytes are not larger than a page. @throws SmeltError NO_SYMBOL, NO_SYMBOLS, UNDECIDABLE */
export function read(
  request: ReadRequest,
  observer: DumpObserver,
  signal: AbortSignal,
  take: (piece: Piece) => Promise<void>,
): Promise<ReadReport> {
  const began = performance.now();
  return withKernel(request, observer, signal, async (looking) => {
    const { file, description, view } = looking;
    const { vaddr, paddr } = find(file.path, request.where, view);
    // The address of a byte may have more bits than a number.
    const begin = vaddr ?? paddr!;
    const asked = request.words ? Math.ceil(request.length / WORD_BYTES) * WORD_BYTES : request.length;
    const length = Number(least(BigInt(asked), END - begin));
    const pieces: PieceReport[] | undefined = request.withBytes && length <= MOST_TOLD ? [] : undefined;
    const words: WordReport[] | undefined = request.words && pieces ? [] : undefined;
    const maker = request.words ? new Words(view) : undefined;
    const give = async (piece: Piece) => {
      pieces?.push({ address: piece.address, length: piece.length, hex: piece.bytes?.toString('hex') });
      const made = piece.bytes === undefined ? maker?.end() : maker?.take(piece.address, piece.bytes);
      words?.push(...(made ?? []));
      await take(made === undefined ? piece : { ...piece, words: made });
    };
    let missingBytes = 0;
    let first: number | undefined;
    // What is not there is told in one piece: it may be most of the address space.
    let missing: Piece | undefined;
    let looked = performance.now();
    for (let done = 0; done < length; ) {
      const piece = pieceAt(looking, vaddr !== undefined, begin + BigInt(done), length - done);
      if (done === 0) first = piece.paddr;
      if (piece.bytes === undefined) missingBytes += piece.length;
      const goesOn =
        piece.bytes === undefined && missing !== undefined && isMapped(missing) === isMapped(piece);
      if (goesOn) missing = { ...missing!, length: missing!.length + piece.length };
      else {
        if (missing !== undefined) await give(missing);
        missing = piece.bytes === undefined ? piece : undefined;
        if (missing === undefined) await give(piece);
      }
      done += piece.length;
      if (performance.now() - looked < BREATH_MS) continue;
      await breathe();
      stopIfAborted(signal);
      looked = performance.now();
    }
    if (missing !== undefined) await give(missing);
    else if (maker !== undefined) {
      const made = maker.end();
      words?.push(...made);
      if (made.length > 0) await take({ ...LAST, words: made });
    }
    const were = length === 1 ? '1 byte was' : `${comma(length)} bytes were`;
    const ends = `memory addresses end at 0x${(END - 1n).toString(16)}: ${were} read`;
    const warnings = length < asked ? [ends] : [];
    for (const warning of warnings) observer.onWarning(warning);
    return {
      input: inputReport(file, request, description),
      vaddr,
      paddr: first,
      length,
      missingBytes,
      pieces,
      words,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings,
    };
  });
}

function isMapped({ paddr }: Piece): boolean {
  return paddr !== undefined;
}

const least = (a: bigint, b: bigint) => (a < b ? a : b);

/** Up to the end of a page, or of what is not there: that may be most of the address space. */
function pieceAt({ file, reader, view }: Looking, isVirtual: boolean, address: bigint, left: number): Piece {
  const { pageSize } = reader;
  const mapping = isVirtual ? view!.walker.translate(address) : undefined;
  const paddr = isVirtual ? mapping?.paddr : Number(address);
  if (paddr === undefined) {
    const length = Math.min(left, view!.walker.holeBytes(address));
    return { address, paddr, length, bytes: undefined };
  }
  const inPage = Math.min(left, pageSize - Number(address % BigInt(pageSize)));
  const into = Buffer.alloc(inPage);
  if (reader.read(paddr, into)) return { address, paddr, length: inPage, bytes: into };
  const toMemory = Math.min(nextExtent(file.memory, paddr) - paddr, mapping?.sizeBytes ?? Infinity);
  return { address, paddr, length: Math.min(left, Math.max(inPage, toMemory)), bytes: undefined };
}
