/** bundle.js SCRIPT.ts OUT.mjs: a TypeScript script with all it imports as one file, to run where there is nothing but node. */
import { resolve } from 'node:path';
import { rolldown } from 'rolldown';

const [script, out] = process.argv.slice(2);
const bundle = await rolldown({
  input: resolve(script),
  platform: 'node',
  external: ['koffi', 'piscina', 'snappyjs', 'zstd-codec'],
});
await bundle.write({ file: resolve(out), format: 'esm', codeSplitting: false });
