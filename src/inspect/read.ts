/** `smelt read`: bytes of the dumped memory, by physical or virtual address or symbol. */

import { setImmediate as breathe } from 'node:timers/promises';
import { inputReport, stopIfAborted } from '../workers/input.ts';
import type { DumpObserver, InputReport, InputRequest, RunReport } from '../workers/report.ts';
import { peakRssBytes } from '../workers/resources.ts';
import { find, type Where } from './address.ts';
import { type Looking, withKernel } from './looking.ts';

export interface ReadRequest extends InputRequest {
  readonly where: Where;
  /** 1 or more. */
  readonly length: number;
}

export interface ReadReport extends RunReport {
  readonly input: InputReport;
  readonly vaddr: bigint | undefined;
  /** Of the first byte; undefined where it is not mapped. */
  readonly paddr: number | undefined;
  readonly length: number;
  /** Of these. */
  readonly missingBytes: number;
}

/** One behind the other; `bytes` undefined: not mapped, or not in the dump. */
export interface Piece {
  /** As it was asked for: virtual or physical. */
  readonly address: bigint;
  readonly paddr: number | undefined;
  readonly length: number;
  readonly bytes: Buffer | undefined;
}

/** `take` gets piece after piece, none larger than a page. @throws SmeltError NO_SYMBOL, NO_SYMBOLS, UNDECIDABLE */
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
    let missingBytes = 0;
    let first: number | undefined;
    for (let done = 0; done < request.length; ) {
      const piece = pieceAt(looking, vaddr, paddr, done, request.length - done);
      if (done === 0) first = piece.paddr;
      if (piece.bytes === undefined) missingBytes += piece.length;
      await take(piece);
      done += piece.length;
      await breathe();
      stopIfAborted(signal);
    }
    return {
      input: inputReport(file, request, description),
      vaddr,
      paddr: first,
      length: request.length,
      missingBytes,
      totalMs: performance.now() - began,
      peakRssBytes: peakRssBytes(),
      warnings: [],
    };
  });
}

/** Up to the end of a page. */
function pieceAt(
  { reader, view }: Looking,
  vaddr: bigint | undefined,
  start: number | undefined,
  done: number,
  left: number,
): Piece {
  const { pageSize } = reader;
  const address = (vaddr ?? BigInt(start!)) + BigInt(done);
  const length = Math.min(left, pageSize - Number(address % BigInt(pageSize)));
  const paddr = vaddr === undefined ? start! + done : view!.walker.translate(address)?.paddr;
  const into = Buffer.alloc(length);
  const isThere = paddr !== undefined && reader.read(paddr, into);
  return { address, paddr, length, bytes: isThere ? into : undefined };
}
