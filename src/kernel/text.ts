/** Text that users and programs put into kernel memory: UTF-8 mostly, and any bytes. */

import { isUtf8 } from 'node:buffer';

const NOT_ASCII = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}|[\x80-\xff]/g;

/** As UTF-8; a byte that is not, as `\xe4` in four characters. */
export function textOf(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (isUtf8(buffer)) return buffer.toString('utf8');
  return buffer.toString('latin1').replace(NOT_ASCII, (found) => {
    const encoded = Buffer.from(found, 'latin1');
    if (isUtf8(encoded)) return encoded.toString('utf8');
    return Array.from(encoded, (byte) => `\\x${byte.toString(16)}`).join('');
  });
}
