/** The program: `smelt` as it is started, and the same on a host that a test makes. Loads little, so that --help is quick. */

import manifest from '../../package.json' with { type: 'json' };
import { asSmeltError, ExitCode } from '../errors.ts';
import { chooseCommand } from './commands.ts';
import { displayOf, MessageLevel } from './display.ts';
import { finalCode, reportFailure } from './errors-out.ts';
import { commandHelp, shortHelp } from './help.ts';
import type { Host } from './host.ts';
import { processHost } from './process-host.ts';
import { given, givenValue, tokenise } from './tokens.ts';

/** Runs smelt in this process and leaves its exit code in process.exitCode. */
export async function main(argv: readonly string[]): Promise<void> {
  const code = await run(argv, processHost());
  // A stream that could not be written has set a code already.
  process.exitCode ??= code;
}

/** Runs smelt and gives its exit code. Throws nothing. */
export async function run(argv: readonly string[], host: Host): Promise<number> {
  const tokens = tokenise(argv);
  const display = displayOf(tokens);
  try {
    const { command, named, help, rest } = chooseCommand(tokens);
    if (help || given(tokens, 'help')) {
      host.stdout.write(named ? commandHelp(command) : shortHelp(version()));
      return ExitCode.ok;
    }
    if (given(tokens, 'version')) {
      host.stdout.write(`smelt ${version()}\n`);
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

export function version(): string {
  return manifest.version;
}
