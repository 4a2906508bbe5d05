/** One file for the program and one for its worker threads, with what they share beside them: sixty files took longer to find than to run. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { defineConfig } from 'rolldown';

/** The licences of the packages whose code is in the bundle, in one file beside it. */
const licences = {
  name: 'licences',
  generateBundle(_options, bundle) {
    const folders = new Set();
    for (const { moduleIds = [] } of Object.values(bundle)) {
      for (const id of moduleIds) {
        const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0];
        if (folder !== undefined && existsSync(join(folder, 'package.json'))) folders.add(folder);
      }
    }
    const texts = [...folders].sort().map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
      const text = file === undefined ? '' : `\n\n${readFileSync(join(folder, file), 'utf8').trim()}`;
      return `${name} ${version} (${license})${text}\n`;
    });
    this.emitFile({ type: 'asset', fileName: 'LICENCES.txt', source: texts.join(`\n${'-'.repeat(80)}\n\n`) });
  },
};

/** `import text from './file?raw'`: what is written into another file, not run here. */
const raw = {
  name: 'raw',
  resolveId: (id, importer) => (id.endsWith('?raw') ? join(dirname(importer), id) : undefined),
  load: (id) =>
    id.endsWith('?raw')
      ? { code: `export default ${JSON.stringify(readFileSync(id.slice(0, -4), 'utf8'))}`, moduleType: 'js' }
      : undefined,
};

export default defineConfig({
  plugins: [licences, raw],
  input: { main: 'src/cli/main.ts', worker: 'src/workers/worker.ts' },
  platform: 'node',
  // Loaded from node_modules when they are needed: native code, WebAssembly, and a library that looks for its own files.
  external: ['koffi', 'piscina', 'snappyjs', 'zstd-codec'],
  transform: { target: 'node20.19' },
  treeshake: {
    // Of yargs only its parser is used; the rest measures the width of texts for a help that smelt writes itself.
    moduleSideEffects: [{ test: /\/node_modules\/(?!cli-progress)/, sideEffects: false }],
  },
  output: {
    dir: 'dist',
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name].cjs',
    // The names stay as they are, for the sake of stack traces.
    minify: false,
    cleanDir: true,
  },
});
