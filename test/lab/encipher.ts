/** run-ts.js test/lab/encipher.ts FROM TO on-off|off-on|guest-from-host: a dump whose memory nobody deciphered (test/build/cipher.ts). */
import { type EncipherOptions, encipher, SITUATIONS } from '../build/cipher.ts';

export async function main([from, to, situation]: readonly string[]): Promise<void> {
  if (!Object.hasOwn(SITUATIONS, situation))
    throw new Error(`the situation is one of ${Object.keys(SITUATIONS).join(', ')}`);
  await encipher({ from, to, situation: situation as EncipherOptions['situation'] });
}
