/** The picture of a benchmark, in SVG: what a page costs in time, against what is left of it in size. */

import type { CodecReport, PartsReport } from '../bench/report.ts';
import type { CodecName } from '../codec/codec.ts';
import { count } from '../units.ts';
import { namedSettings, settingOptions } from './bench-format.ts';
import { LABEL_SIZE, placeLabels } from './chart-labels.ts';
import { linearScale, logScale, type Scale } from './chart-scale.ts';
import { type Attributes, element, escapeXml, line, polyline, text } from './svg.ts';

export interface ChartTitle {
  /** The dump's name without its directory. */
  readonly dump: string;
  readonly dumpLevel: number;
  readonly cpu: string;
  readonly node: string;
}

const WIDTH = 960;
const HEIGHT = 640;
const PLOT = { left: 78, right: 930, top: 130, bottom: 530 } as const;
const LONGEST_NAME = 46;
const INK = '#1a1a1a';
const FAINT = '#d9d9d9';
const QUIET = '#595959';

/**
 * Colours of Okabe and Ito, which the colour-blind tell apart, in an order that also differs in grey; a shape for each, so
 * that no colour is needed. Filled is native, hollow is portable.
 */
const LOOKS: Readonly<Record<CodecName, { readonly colour: string; readonly shape: Shape }>> = {
  zstd: { colour: '#0072B2', shape: 'circle' },
  zlib: { colour: '#D55E00', shape: 'square' },
  lzo: { colour: '#009E73', shape: 'triangle' },
  snappy: { colour: '#CC79A7', shape: 'diamond' },
};

type Shape = 'circle' | 'square' | 'triangle' | 'diamond';

type Drawn = CodecReport & { readonly codec: CodecName };

interface Point {
  readonly codec: Drawn;
  readonly label: string;
  readonly x: number;
  readonly y: number;
}

/** Microseconds that one thread takes for a page. */
function costOf({ compressBytesPerSecond }: CodecReport, pageSizeBytes: number): number {
  return (pageSizeBytes / compressBytesPerSecond.median) * 1e6;
}

const percentOf = ({ ratio }: CodecReport): number => 100 / ratio;

export function drawChart(parts: PartsReport, title: ChartTitle): string {
  const { pageSizeBytes } = parts.sample;
  // Pages stored as they are would take most of the plane for one point; they are told in words.
  const codecs = parts.codecs.filter((codec): codec is Drawn => codec.codec !== 'raw');
  const x = logScale(
    codecs.map((codec) => costOf(codec, pageSizeBytes)),
    PLOT.left,
    PLOT.right,
  );
  const y = linearScale(codecs.map(percentOf), PLOT.bottom, PLOT.top);
  const points = codecs.map((codec) => ({
    codec,
    label: codec.level === undefined ? codec.codec : String(codec.level),
    x: x.at(costOf(codec, pageSizeBytes)),
    y: y.at(percentOf(codec)),
  }));
  const content = [
    element('title', {}, escapeXml(`What compression costs: ${title.dump}`)),
    element('rect', { width: WIDTH, height: HEIGHT, fill: '#ffffff' }),
    ...titleLines(parts, title),
    ...axes(x, y, pageSizeBytes),
    ...seriesLines(points),
    ...points.map(({ codec, x: cx, y: cy }) => marker(codec, cx, cy)),
    ...labels(points),
    ...legend(
      codecs,
      parts.codecs.find(({ codec }) => codec === 'raw'),
      pageSizeBytes,
    ),
  ];
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    role: 'img',
    'aria-label': 'Size against time of each codec, level and maker',
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    width: WIDTH,
    height: HEIGHT,
    'font-family': 'DejaVu Sans, Verdana, Helvetica, Arial, sans-serif',
    'font-size': LABEL_SIZE,
    fill: INK,
  };
  return `${element('svg', attributes, `\n${content.join('\n')}\n`)}\n`;
}

function titleLines({ sample, advice }: PartsReport, { dump, dumpLevel, cpu, node }: ChartTitle): string[] {
  const named = namedSettings(advice, (one) => settingOptions({ ...one, kind: undefined }));
  return [
    text(24, 34, `What compression costs: ${endOf(dump)}`, { 'font-size': 20, 'font-weight': 'bold' }),
    text(
      24,
      58,
      `${count(sample.pages)} of its pages that level ${dumpLevel} keeps; ${cpu}, one thread, Node ${node}`,
      {
        'font-size': 13,
        fill: QUIET,
      },
    ),
    text(24, 78, `estimated: ${named.join(', ')}`, { 'font-size': 13, fill: QUIET }),
  ];
}

/** As much of a long name as there is room for in the title. */
function endOf(name: string): string {
  return name.length > LONGEST_NAME ? `…${name.slice(1 - LONGEST_NAME)}` : name;
}

function axes(x: Scale, y: Scale, pageSizeBytes: number): string[] {
  const grid: Attributes = { stroke: FAINT, 'stroke-width': 1 };
  const middle: Attributes = { 'text-anchor': 'middle' };
  const side = (PLOT.top + PLOT.bottom) / 2;
  const centre = (PLOT.left + PLOT.right) / 2;
  return [
    ...x.ticks.flatMap((value) => [
      line(x.at(value), PLOT.top, x.at(value), PLOT.bottom, grid),
      text(x.at(value), PLOT.bottom + 18, plain(value), middle),
      text(x.at(value), PLOT.top - 8, count(pageSizeBytes / value), {
        ...middle,
        fill: QUIET,
        'font-size': 11,
      }),
    ]),
    ...y.ticks.flatMap((value) => [
      line(PLOT.left, y.at(value), PLOT.right, y.at(value), grid),
      text(PLOT.left - 8, y.at(value) + 4, `${plain(value)} %`, { 'text-anchor': 'end' }),
    ]),
    line(PLOT.left, PLOT.bottom, PLOT.right, PLOT.bottom, { stroke: INK }),
    line(PLOT.left, PLOT.top, PLOT.left, PLOT.bottom, { stroke: INK }),
    text(
      centre,
      PLOT.bottom + 40,
      `time to compress a page of ${pageSizeBytes / 1024} KiB, µs (logarithmic)`,
      middle,
    ),
    text(PLOT.right, PLOT.top - 26, 'MB/s', { 'text-anchor': 'end', fill: QUIET, 'font-size': 11 }),
    text(24, side, 'size, % of the page', { ...middle, transform: `rotate(-90 24 ${side})` }),
    text(PLOT.left + 10, PLOT.bottom - 10, '↙ faster and smaller', { fill: QUIET, 'font-style': 'italic' }),
  ];
}

/** 0.5, 20, 1,000 */
function plain(value: number): string {
  return value < 1 ? String(value) : count(value);
}

function isHollow({ kind }: CodecReport): boolean {
  return kind === 'portable';
}

/** Levels of one codec by one maker belong together. */
function seriesLines(points: readonly Point[]): string[] {
  const series = new Map<string, Point[]>();
  for (const point of points) {
    const { codec, kind } = point.codec;
    const key = `${codec} ${kind}`;
    series.set(key, [...(series.get(key) ?? []), point]);
  }
  return [...series.values()].flatMap((own) =>
    own.length < 2
      ? []
      : [
          polyline(
            own.map((point) => [point.x, point.y]),
            {
              stroke: LOOKS[own[0]!.codec.codec].colour,
              'stroke-width': 1.5,
              opacity: 0.6,
              ...(isHollow(own[0]!.codec) ? { 'stroke-dasharray': '5 4' } : {}),
            },
          ),
        ],
  );
}

function marker(codec: Pick<Drawn, 'codec' | 'kind'>, x: number, y: number): string {
  const { colour, shape } = LOOKS[codec.codec];
  const look: Attributes = {
    fill: codec.kind === 'portable' ? '#ffffff' : colour,
    stroke: colour,
    'stroke-width': 2,
  };
  switch (shape) {
    case 'circle':
      return element('circle', { cx: x, cy: y, r: 5.5, ...look });
    case 'square':
      return element('rect', { x: x - 5, y: y - 5, width: 10, height: 10, ...look });
    case 'triangle':
      return element('path', { d: `M${x.toFixed(1)} ${(y - 6.5).toFixed(1)}l6 11h-12z`, ...look });
    case 'diamond':
      return element('path', { d: `M${x.toFixed(1)} ${(y - 7).toFixed(1)}l6.5 7l-6.5 7l-6.5 -7z`, ...look });
  }
}

function labels(points: readonly Point[]): string[] {
  const inside = {
    left: PLOT.left + 2,
    top: PLOT.top + 2,
    width: PLOT.right - PLOT.left - 4,
    height: PLOT.bottom - PLOT.top - 4,
  };
  const corner = { left: PLOT.left + 6, top: PLOT.bottom - 26, width: 150, height: 22 };
  return placeLabels(points, inside, [corner]).flatMap((placed, i) => {
    const point = points[i]!;
    const words = text(placed.x, placed.y, point.label, {
      'text-anchor': 'middle',
      ...(point.codec.level === undefined ? {} : { fill: LOOKS[point.codec.codec].colour }),
      // A rim of the background keeps it legible over lines.
      stroke: '#ffffff',
      'stroke-width': 3,
      'paint-order': 'stroke',
    });
    if (!placed.far) return [words];
    return [line(point.x, point.y, placed.x, placed.y - 4, { stroke: QUIET, 'stroke-width': 0.7 }), words];
  });
}

/** One row: each codec and maker that was measured. */
function legend(codecs: readonly Drawn[], raw: CodecReport | undefined, pageSizeBytes: number): string[] {
  const seen = new Map(codecs.map((codec) => [`${codec.codec} ${codec.kind}`, codec]));
  const rows = [...seen.values()];
  const perRow = 4;
  const column = (PLOT.right - PLOT.left) / perRow;
  const entries = rows.flatMap((codec, i) => {
    const x = PLOT.left + (i % perRow) * column;
    const y = PLOT.bottom + 66 + Math.floor(i / perRow) * 22;
    return [marker(codec, x + 7, y - 4), text(x + 20, y, `${codec.codec}, ${codec.kind}`)];
  });
  const notes: Attributes = { fill: QUIET, 'font-size': 11 };
  const uncompressed =
    raw && `stored as it is a page takes 100 % and ${costOf(raw, pageSizeBytes).toFixed(1)} µs`;
  return [
    ...entries,
    text(PLOT.right, PLOT.bottom + 40, 'numbers at points: levels', { ...notes, 'text-anchor': 'end' }),
    ...(uncompressed === undefined ? [] : [text(PLOT.left, PLOT.bottom + 40, uncompressed, notes)]),
  ];
}
