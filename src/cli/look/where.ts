/** From what was typed to what is looked at. */

import { SmeltError } from '../../errors.ts';
import type { Where } from '../../inspect/address.ts';
import type { Who } from '../../inspect/who.ts';
import type { InputReport } from '../../workers/report.ts';
import { hang, printable } from '../text.ts';
import { bytesOf, quoted } from '../values.ts';

/** `text`: "0x1000", "ffffffff81000000", "init_task", "init_task+0x10". Numbers are hexadecimal, as crash has them. @throws SmeltError USAGE */
export function readWhere(text: string): Where {
  const address = readAddress(text);
  if (address !== undefined) return { kind: 'address', value: address };
  const match = /^([A-Za-z_.$][\w.$]*)(?:\+(0x[0-9a-f]+|\d+))?$/i.exec(text);
  const offset = Number(match?.[2] ?? 0);
  if (match === null || offset > 2 ** 40) {
    throw new SmeltError('USAGE', `${quoted(text)}: is no address and no symbol`, {
      hint: 'An address is hexadecimal (0x1000, ffffffff81000000); a symbol may have an offset (init_task+0x10).',
    });
  }
  return { kind: 'symbol', name: match[1]!, offset };
}

/** With 0x, or beginning with a digit, or as long as an address is. */
export function readAddress(text: string): bigint | undefined {
  const digits = /^(?:0x([0-9a-f]{1,16})|(\d[0-9a-f]{0,15})|([0-9a-f]{16}))$/i.exec(text);
  return digits === null ? undefined : BigInt(`0x${digits[1] ?? digits[2] ?? digits[3]}`);
}

/** "64", "0x40", "4K". @throws SmeltError USAGE */
export function readLength(text: string): number {
  const bytes = /^0x[0-9a-f]{1,13}$/i.test(text) ? Number(text) : bytesOf(text);
  if (bytes !== undefined && bytes > 0 && bytes <= Number.MAX_SAFE_INTEGER) return bytes;
  throw new SmeltError('USAGE', `LEN ${quoted(text)}: is no number of bytes`, {
    hint: 'It is decimal, or hexadecimal with 0x, and may have a K, M or G behind it: 64, 0x40, 4K.',
  });
}

/** "118", "ffff8d086162b080", "cpu2", "hog-alpha": as ps shows tasks. @throws SmeltError USAGE */
export function readWho(text: string): Who {
  const cpu = /^cpu(\d+)$/i.exec(text);
  if (cpu !== null) return { kind: 'cpu', cpu: readCpu(cpu[1]!) };
  if (/^\d{1,10}$/.test(text)) return { kind: 'pid', pid: Number(text) };
  const address = /^(?:0x)?([89a-f][0-9a-f]{15})$/i.exec(text);
  if (address !== null) return { kind: 'task', vaddr: BigInt(`0x${address[1]}`) };
  if (text !== '' && !/^(\d+|0x[0-9a-f]*)$/i.test(text)) return { kind: 'comm', comm: text };
  throw new SmeltError('USAGE', `${quoted(text)}: is no PID, and no CPU, TASK or COMM`, {
    hint: 'A PID is a number (118), a CPU is cpu and its number (cpu2), TASK and COMM are as ps shows them, and a further part of a split dump is a file.',
  });
}

/** "2" @throws SmeltError USAGE */
export function readCpu(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new SmeltError('USAGE', `${quoted(text)}: is no number of a CPU`, {
    hint: '`smelt bt VMCORE --cpu 2`, or cpu2; `smelt info VMCORE` says which CPUs there are.',
  });
}

/** What a screen begins with: "vmcore  Linux 6.1.0-56-amd64 x86_64, 61 tasks", in two lines where the name is long. */
export function inputLine(
  { path, moreParts, release, architecture }: InputReport,
  more: string,
  width: number,
): string {
  const kernel = `Linux ${release === undefined ? 'of an unknown release' : printable(release)} ${architecture},`;
  const parts = moreParts.length === 0 ? [] : [`in ${moreParts.length + 1} parts,`];
  return hang(`${printable(path)}  `, [...parts, kernel, more], width, 4).join('\n');
}
