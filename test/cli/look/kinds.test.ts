/** The colours of the map are told apart by everybody, and in grey. */
import { describe, expect, test } from 'vitest';
import { KIND_LOOKS } from '../../../src/cli/look/kinds.ts';
import { rgbOf } from '../../../src/cli/look/map/legend.ts';

type Triple = readonly [number, number, number];

/** sRGB without its curve. */
function linear(colour: string): Triple {
  return rgbOf(colour).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  }) as unknown as Triple;
}

function times(matrix: readonly Triple[], [x, y, z]: Triple): Triple {
  return matrix.map(([a, b, c]) => Math.min(1, Math.max(0, a * x + b * y + c * z))) as unknown as Triple;
}

/** Severe cases. Source: Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009). */
const SIGHT: Readonly<Record<string, readonly Triple[]>> = {
  'all colours': [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  'no red': [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  'no green': [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  'no blue': [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** CIE L*a*b*, D65. */
function lab(rgb: Triple): Triple {
  const [x, y, z] = times(
    [
      [0.4124, 0.3576, 0.1805],
      [0.2126, 0.7152, 0.0722],
      [0.0193, 0.1192, 0.9505],
    ],
    rgb,
  );
  const f = (value: number) => (value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116);
  const [fx, fy, fz] = [f(x / 0.9505), f(y), f(z / 1.089)];
  return [116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)];
}

function distance(a: Triple, b: Triple): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

const pairs = Object.entries(KIND_LOOKS).flatMap(([name, { colour }], i, all) =>
  all.slice(i + 1).map(([other, look]) => [`${name} and ${other}`, colour, look.colour] as const),
);

describe('the colours of two kinds are apart', () => {
  test.each(Object.entries(SIGHT))('for who sees %s', (_name, matrix) => {
    const close = pairs.filter(
      ([, a, b]) => distance(lab(times(matrix, linear(a))), lab(times(matrix, linear(b)))) < 12,
    );
    expect(close.map(([name]) => name)).toEqual([]);
  });

  test('on grey paper, by their lightness', () => {
    const close = pairs.filter(([, a, b]) => Math.abs(lab(linear(a))[0] - lab(linear(b))[0]) < 4);
    expect(close.map(([name]) => name)).toEqual([]);
  });
});

test('each kind has a letter of its own, that is another one when it is small', () => {
  const letters = Object.values(KIND_LOOKS).flatMap(({ letter }) => [
    ...new Set([letter, letter.toLowerCase()]),
  ]);
  expect(new Set(letters).size).toBe(letters.length);
});
