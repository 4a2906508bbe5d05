/** The image's bin/smelt: where the program does not load, the exit code is one that is never smelt's own. */
import('../dist/main.cjs').then(
  ({ main }) => main(process.argv.slice(2)),
  (cause) => {
    process.stderr.write(`${cause.message}\n`);
    process.exitCode = 127;
  },
);
