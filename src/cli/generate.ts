/** `smelt --generate`: the manual page and the shells' completions, made from the tables of commands and options. */

import { bashCompletion } from './complete-bash.ts';
import { fishCompletion } from './complete-fish.ts';
import { zshCompletion } from './complete-zsh.ts';
import { manPage } from './man-page.ts';
import { GENERATED } from './tell-options.ts';
import { readChoice } from './values.ts';

const MAKERS: Readonly<Record<(typeof GENERATED)[number], (version: string) => string>> = {
  man: manPage,
  'complete-bash': bashCompletion,
  'complete-zsh': zshCompletion,
  'complete-fish': fishCompletion,
};

/** @throws SmeltError USAGE for what cannot be made */
export function generate(kind: string, version: string): string {
  return MAKERS[readChoice('--generate', GENERATED)(kind)](version);
}
