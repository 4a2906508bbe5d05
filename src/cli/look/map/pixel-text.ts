/** Words in a picture of pixels: small letters and figures of 5 by 7 dots, for addresses and a legend. */

const DOTS = 5;
const LINES = 7;
/** Pixels of a dot, and from a letter to the next. */
const SCALE = 2;
export const LETTER_WIDTH = (DOTS + 1) * SCALE;
export const LETTER_HEIGHT = LINES * SCALE;

/** Each line from above is two digits: its dots are bits, the leftmost 0x10. */
const LETTERS: Readonly<Record<string, string>> = {
  a: '00000e010f110f',
  b: '1010161911111e',
  c: '00000e1010110e',
  d: '01010d1311110f',
  e: '00000e111f100e',
  f: '0609081c080808',
  g: '000f11110f010e',
  h: '10101619111111',
  i: '04000c0404040e',
  k: '10101214181412',
  l: '0c04040404040e',
  m: '00001a15151111',
  n: '00001619111111',
  o: '00000e1111110e',
  p: '00001e111e1010',
  r: '00001619101010',
  s: '00000e100e011e',
  t: '08081c08080906',
  u: '0000111111130d',
  v: '00001111110a04',
  x: '0000110a040a11',
  y: '000011110f010e',
  z: '00001f0204081f',
  0: '0e11131519110e',
  1: '040c040404040e',
  2: '0e11010204081f',
  3: '1f02040201110e',
  4: '02060a121f0202',
  5: '1f101e0101110e',
  6: '0608101e11110e',
  7: '1f010204080808',
  8: '0e11110e11110e',
  9: '0e11110f01020c',
  '.': '00000000000c0c',
  '%': '18190204081303',
  '<': '02040810080402',
};

/** Whether all of it can be drawn. */
export function canDraw(text: string): boolean {
  return [...text].every((letter) => letter === ' ' || letter in LETTERS);
}

/** Calls `dot` for each pixel of the words, from their upper left corner on. */
export function drawText(text: string, dot: (x: number, y: number) => void): void {
  for (const [index, letter] of [...text].entries()) {
    const lines = LETTERS[letter];
    if (lines === undefined) continue;
    for (let y = 0; y < LETTER_HEIGHT; y++) {
      const bits = Number.parseInt(lines.slice(2 * Math.floor(y / SCALE), 2 * Math.floor(y / SCALE) + 2), 16);
      for (let x = 0; x < DOTS * SCALE; x++)
        if ((bits & (1 << (DOTS - 1 - Math.floor(x / SCALE)))) !== 0) dot(index * LETTER_WIDTH + x, y);
    }
  }
}
