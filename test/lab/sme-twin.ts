/** run-ts.js test/lab/sme-twin.ts FROM TO BIT: makes the SME twin of a dump; says as JSON what it did. */
import { makeSmeTwin } from '../build/sme-twin.ts';

export async function main([from, to, bit]: readonly string[]): Promise<void> {
  const mask = 1n << BigInt(bit);
  console.log(JSON.stringify(await makeSmeTwin({ from, to, mask })));
}
