/** `smelt vtop` */

import { SmeltError } from '../../errors.ts';
import type { VtopRequest } from '../../inspect/vtop.ts';
import type { DisplayOptions } from '../display.ts';
import type { Host } from '../host.ts';
import type { Token } from '../tokens.ts';
import { walkText } from '../vtop-text.ts';
import { lookCommand } from './commands.ts';
import { type Look, type LookArgs, runLook } from './look.ts';
import { readWhere } from './where.ts';

export const runVtop = (tokens: readonly Token[], display: DisplayOptions, host: Host) =>
  runLook(look, lookCommand('vtop'), tokens, display, host);

const look: Look<VtopRequest, 'vtop'> = {
  name: 'vtop',
  parse,
  run: (looks, request, observer, signal) => looks.vtop(request, observer, signal),
  text: ({ walk }, { width }) => walkText(walk, width).slice(0, -1),
};

function parse({ operands, request }: LookArgs): VtopRequest {
  const [where] = operands;
  if (where === undefined) {
    throw new SmeltError('USAGE', 'ADDR is missing: nothing says where the walk begins', {
      hint: '`smelt vtop VMCORE ADDR`: a virtual address, or a symbol.',
    });
  }
  return { ...request, where: readWhere(where) };
}
