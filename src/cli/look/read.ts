/** `smelt read` */

import { SmeltError } from '../../errors.ts';
import type { Piece, ReadRequest } from '../../inspect/read.ts';
import type { WordReport } from '../../inspect/words.ts';
import { count } from '../../units.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import { printable } from '../text.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { type Look, type LookArgs, runLook } from './look.ts';
import { readLength, readWhere } from './where.ts';

const DEFAULT_BYTES = 256;
const BYTES_A_LINE = 16;
const PAIRS = BYTES_A_LINE / 2;
/** Where the second word of a line begins, unless the first is longer. */
const WORD_COLUMN = 47;
const MOST_COLUMNS = 80;
const ZEROS = new Uint8Array(64 * 1024);

export const runRead = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('read'), tokens, display, host);

interface Request extends ReadRequest {
  readonly raw: boolean;
}

const look: Look<Request, 'read'> = {
  name: 'read',
  parse,
  run: (looks, request, observer, signal, pass) =>
    looks.read(request, observer, signal, async (piece) => {
      if (request.words) await pass(wordLines(piece));
      else if (!request.raw) await pass(hexdump(piece));
      else for (const bytes of rawOf(piece)) await pass(bytes);
    }),
  text: () => undefined,
};

function parse({ values, operands, request }: LookArgs): Request {
  const [where, length] = operands;
  if (where === undefined) {
    throw new SmeltError('USAGE', 'ADDR is missing: nothing says what is to be read', {
      hint: '`smelt read VMCORE ADDR [LEN]`; `smelt read --help` has examples.',
    });
  }
  if (values.raw && values.json) {
    throw new SmeltError('USAGE', '--raw and --json are two forms of one answer', {
      hint: 'Give one of them.',
    });
  }
  if (values.raw && values.words) {
    throw new SmeltError('USAGE', '--raw writes bytes as they are, and --words shows numbers', {
      hint: 'Give one of them.',
    });
  }
  return {
    ...request,
    words: values.words,
    where: readWhere(where),
    length: length === undefined ? DEFAULT_BYTES : readLength(length),
    withBytes: values.json ?? false,
    raw: values.raw ?? false,
  };
}

/** What is not there is zeros, so that all else is in its place. */
function* rawOf({ bytes, length }: Piece): Generator<Uint8Array> {
  if (bytes !== undefined) yield bytes;
  else for (let done = 0; done < length; done += ZEROS.length) yield ZEROS.subarray(0, length - done);
}

/** "ffffffff81000000  init_task+0x10  0000000000000001": two words a line where there is room for them; see hexdump. */
function wordLines({ words = [], ...piece }: Piece): string {
  let text = '';
  for (let i = 0; i < words.length; ) {
    const { address } = words[i]!;
    let line = `${address.toString(16).padStart(16, '0')}  ${shown(words[i++]!)}`;
    const next = words[i] && shown(words[i]!);
    const both = `${line.padEnd(WORD_COLUMN)}  ${next}`;
    if (next !== undefined && both.length <= MOST_COLUMNS) {
      line = both;
      i++;
    }
    text += `${line}\n`;
  }
  return piece.bytes === undefined ? text + hexdump(piece) : text;
}

function shown({ value, sizeBytes, name, module, offset }: WordReport): string {
  if (name === undefined) return value.toString(16).padStart(2 * sizeBytes, '0');
  const behind = `${offset === 0 ? '' : `+0x${offset!.toString(16)}`}${module === undefined ? '' : ` [${printable(module)}]`}`;
  return `${cutTo(printable(name), MOST_COLUMNS - 18 - behind.length)}${behind}`;
}

function cutTo(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, Math.max(0, most - 1))}…`;
}

/** "ffffffff81000000  0011 2233 …  |..|", bytes in pairs as they lie there, in 78 columns; what is not there is one line. */
function hexdump({ address, bytes, length, paddr }: Piece): string {
  const at = (byteOffset: number) => (address + BigInt(byteOffset)).toString(16).padStart(16, '0');
  if (bytes === undefined) {
    const why = paddr === undefined ? 'not mapped' : 'not in the dump';
    return `${at(0)}  ${length === 1 ? '1 byte is' : `${count(length)} bytes are`} ${why}\n`;
  }
  let text = '';
  for (let from = 0; from < length; from += BYTES_A_LINE) {
    const line = bytes.subarray(from, from + BYTES_A_LINE);
    const pairs = line.toString('hex').match(/.{1,4}/g) ?? [];
    const halves = [pairs.slice(0, PAIRS / 2), pairs.slice(PAIRS / 2)].map((half) => half.join(' '));
    const plain = Array.from(line, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
    text += `${at(from)}  ${halves.join('  ').padEnd(PAIRS * 5)}  |${plain.join('')}|\n`;
  }
  return text;
}
