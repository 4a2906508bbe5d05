/** `smelt map` */

import { SmeltError } from '../../errors.ts';
import { type MapReport, type MapRequest, PICTURE_FORMATS } from '../../inspect/map.ts';
import { fileSize, memory } from '../../units.ts';
import type { DisplayOptions } from '../display.ts';
import { duration, pages } from '../format.ts';
import type { Host } from '../host.ts';
import { inputLine } from '../summary.ts';
import { printable } from '../text.ts';
import type { Token } from '../tokens.ts';
import { lookCommand } from './commands.ts';
import { type Look, type LookArgs, runLook, type Screen, screenOf } from './look.ts';
import { drawHtml } from './map/html.ts';
import { drawPng } from './map/png.ts';
import { drawSvg } from './map/svg.ts';
import { pictureReport, terminalMap } from './map/terminal.ts';

export const runMap = (tokens: readonly Token[], display: DisplayOptions, host: Host) => {
  return runLook(lookOn(screenOf(host)), lookCommand('map'), tokens, display, host);
};

const lookOn = (screen: Screen): Look<MapRequest, 'map'> => ({
  name: 'map',
  parse,
  run: (looks, request, observer, signal, pass) =>
    looks.map(request, observer, signal, {
      draw: { html: drawHtml, svg: drawSvg, png: drawPng },
      show: async (picture) => {
        await pass(`${terminalMap(picture, screen).join('\n')}\n`);
        return pictureReport(picture);
      },
    }),
  text,
});

function parse({ values, request }: LookArgs): MapRequest {
  const paths = { html: values.o, svg: values.svg, png: values.png };
  const outputs = PICTURE_FORMATS.flatMap((format) => {
    const path = paths[format];
    return path === undefined ? [] : [{ format, path }];
  });
  const hint = '`smelt map VMCORE -o map.html`; without a file it is shown here.';
  if (values.f && outputs.length === 0)
    throw new SmeltError('USAGE', '-f means nothing without -o, --svg or --png', { hint });
  for (const { path } of outputs) {
    if (path === '-')
      throw new SmeltError(
        'USAGE',
        'a map is written to a file that has a name, and not to standard output',
        {
          hint,
        },
      );
  }
  return {
    ...request,
    outputs,
    overwrite: values.f ?? false,
    quick: values.quick ?? false,
    workDir: values['work-dir'],
  };
}

/** Of what was written; what is shown was shown already. */
function text(report: MapReport, { width }: Screen): string[] | undefined {
  const { input, outputs, finestPages, threads, totalMs, peakRssBytes } = report;
  if (outputs.length === 0) return undefined;
  const coarse =
    finestPages === undefined || finestPages === 1
      ? []
      : [`  parts of it in steps of ${pages(finestPages)}: all of it would not fit into a page`];
  return [
    inputLine(input, width),
    ...outputs.map(({ path, sizeBytes }) => `map written: ${printable(path)}, ${fileSize(sizeBytes)}`),
    ...coarse,
    `  ${threads === 1 ? '1 thread' : `${threads} threads`}, ${duration(totalMs)}, at most ${memory(peakRssBytes)} of memory`,
  ];
}
