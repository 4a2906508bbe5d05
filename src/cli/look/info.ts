/** `smelt info` */

import type { InputRequest } from '../../workers/report.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { infoText } from './info-text.ts';
import { type Look, runLook } from './look.ts';

export const runInfo = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('info'), tokens, display, host);

const look: Look<InputRequest, 'info'> = {
  name: 'info',
  parse: ({ request }) => request,
  run: (looks, request, observer, signal) => looks.info(request, observer, signal),
  text: infoText,
};
