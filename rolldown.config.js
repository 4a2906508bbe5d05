/** One file for the program and one for its worker threads, with what they share beside them: sixty files took longer to find than to run. */
import { defineConfig } from 'rolldown';

export default defineConfig({
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
