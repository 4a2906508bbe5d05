#!/usr/bin/env node
/**
 * run-ts.js SCRIPT.ts [ARGUMENT…]: runs a TypeScript script of test/ on Node 20, which cannot do it itself, by the project's own bundler.
 * The script exports `main(args)`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const project = fileURLToPath(new URL('../..', import.meta.url));
const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  process.stderr.write('run-ts.js SCRIPT.ts [ARGUMENT…]\n');
  process.exit(2);
}
// Inside node_modules, where the packages that are not bundled are found.
const dir = mkdtempSync(join(project, 'node_modules/.run-ts-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
const bundle = await rolldown({
  input: resolve(script),
  platform: 'node',
  external: ['koffi', 'piscina', 'snappyjs', 'zstd-codec'],
});
await bundle.write({ file: join(dir, 'script.mjs'), format: 'esm', codeSplitting: false });
const { main } = await import(pathToFileURL(join(dir, 'script.mjs')).href);
try {
  await main(args);
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
}
