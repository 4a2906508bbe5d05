/** The program: `smelt` as it is started, and the same on a host that a test makes. Loads little, so that --help is quick. */

import manifest from '../../package.json' with { type: 'json' };
import { asSmeltError, ExitCode } from '../errors.ts';
import { chooseCommand } from './commands.ts';
import { displayOf, MessageLevel } from './display.ts';
import { finalCode, reportFailure } from './errors-out.ts';
import { commandHelp, shortHelp } from './help.ts';
import type { Host } from './host.ts';
import { noCommand } from './mistyped.ts';
import { processHost } from './process-host.ts';
import { given, givenValue, tokenise } from './tokens.ts';

/** The one whose options smelt takes: docs/makedumpfile.md. Source: its Makefile. */
const MAKEDUMPFILE = { version: '1.7.9', released: '20 Apr 2026' } as const;

/** Runs smelt in this process and leaves its exit code in process.exitCode. */
export async function main(argv: readonly string[]): Promise<void> {
  const code = await run(argv, processHost());
  // A stream that could not be written has set a code already.
  process.exitCode ??= code;
}

/** Runs smelt and gives its exit code. Throws nothing. */
export async function run(argv: readonly string[], host: Host): Promise<number> {
  // Which options may be shortened, and how far, depends on the command, which stands among them.
  const tokens = tokenise(argv, chooseCommand(tokenise(argv)).command.name);
  const display = displayOf(tokens);
  try {
    const { command, named, help, unknown, rest } = chooseCommand(tokens);
    if (unknown !== undefined) throw noCommand(unknown);
    if (help || given(tokens, 'help')) {
      host.stdout.write(named ? commandHelp(command) : shortHelp(version()));
      return ExitCode.ok;
    }
    if (given(tokens, 'version')) {
      host.stdout.write(versionText(host.calledAs));
      return ExitCode.ok;
    }
    const generated = givenValue(tokens, 'generate');
    if (generated !== undefined) {
      const { generate } = await import('./generate.ts');
      await host.stdout.pass(generate(generated, version()));
      return ExitCode.ok;
    }
    return await command.run(rest, display, host);
  } catch (thrown) {
    // A wrong command line is told at any message level: the level itself may be what is wrong.
    const error = asSmeltError(thrown);
    reportFailure(error, [], { ...display, level: display.level | MessageLevel.error }, host);
    return finalCode(error, tokens, host);
  }
}

/** What scripts ask makedumpfile for is told by a smelt of that name: whose options it has, and which codecs. Any smelt has all of them. */
function versionText(calledAs: string): string {
  const own = `smelt ${version()}\n`;
  if (calledAs !== 'makedumpfile') return own;
  const codecs = ['lzo', 'snappy', 'zstd'].map((name) => `${name}\tenabled\n`).join('');
  return `makedumpfile: version ${MAKEDUMPFILE.version} (released on ${MAKEDUMPFILE.released})\n${codecs}\nThis is ${own}`;
}

export function version(): string {
  return manifest.version;
}
