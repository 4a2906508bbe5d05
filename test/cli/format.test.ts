import { describe, expect, test } from 'vitest';
import { clock, duration, pages, percent, phaseRate, speed } from '../../src/cli/format.ts';
import { count, fileSize, memory } from '../../src/units.ts';

describe('numbers', () => {
  test.each([
    [0, '0'],
    [999, '999'],
    [1000, '1,000'],
    [1_048_576, '1,048,576'],
    [Number.MAX_SAFE_INTEGER, '9,007,199,254,740,991'],
  ])('%d is counted as %s', (value, text) => expect(count(value)).toBe(text));

  test.each([
    [0, '0 pages'],
    [1, '1 page'],
    [2, '2 pages'],
    [4_294_967_296, '4,294,967,296 pages'],
  ])('%d pages are %s', (value, text) => expect(pages(value)).toBe(text));

  test.each([
    [0, '0 B'],
    [1, '1 B'],
    [1023, '1,023 B'],
    [1024, '1.0 KiB'],
    [4096, '4.0 KiB'],
    [1024 ** 2 - 1, '1.0 MiB'],
    [1023.9 * 1024, '1,023.9 KiB'],
    [4 * 2 ** 30, '4.0 GiB'],
    [16 * 2 ** 40, '16.0 TiB'],
    [4 * 2 ** 50, '4.0 PiB'],
    [8000 * 2 ** 50, '8,000.0 PiB'],
  ])('%d bytes of memory are %s', (value, text) => expect(memory(value)).toBe(text));

  test.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [999_949, '999.9 kB'],
    [999_951, '1.0 MB'],
    [31_200_000, '31.2 MB'],
    [5_000_000_000_000, '5.0 TB'],
  ])('a file of %d bytes has %s', (value, text) => expect(fileSize(value)).toBe(text));

  test.each([
    [0, 1000, undefined],
    [1000, 0, undefined],
    [1_000_000, 1000, '1.0 MB/s'],
    [99_949_000, 1000, '99.9 MB/s'],
    [99_960_000, 1000, '100 MB/s'],
    [412_000_000, 1000, '412 MB/s'],
    [999_600_000, 1000, '999.6 MB/s'],
    [999_960_000, 1000, '1.0 GB/s'],
    [1_200_000_000, 1000, '1.2 GB/s'],
    [4096, 60_000, '68 B/s'],
  ])('%d bytes in %d ms are %s', (bytes, ms, text) => expect(speed(bytes, ms)).toBe(text));

  test.each([
    [0, 4, '0.0 %'],
    [1, 1e9, '<0.1 %'],
    [8, 1000, '0.8 %'],
    [1, 1, '100.0 %'],
    [30, 1, '3,000.0 %'],
  ])('%d of %d is %s', (part, whole, text) => expect(percent(part, whole)).toBe(text));

  test.each([
    [0, '<0.01 s'],
    [12, '0.01 s'],
    [94.9, '0.09 s'],
    [95, '0.1 s'],
    [400, '0.4 s'],
    [59_949, '59.9 s'],
    [59_951, '1 min 0 s'],
    [125_000, '2 min 5 s'],
    [3_599_600, '1 h 0 min'],
    [3_720_000, '1 h 2 min'],
    [360_000_000, '100 h 0 min'],
  ])('%d ms are %s', (ms, text) => expect(duration(ms)).toBe(text));

  test.each([
    [0, '0:00'],
    [-5, '0:00'],
    [1, '0:01'],
    [3000, '0:03'],
    [59_001, '1:00'],
    [3_723_000, '1:02:03'],
  ])('%d ms left are %s', (ms, text) => expect(clock(ms)).toBe(text));

  test('a phase has pages a second or bytes a second, as it reads them', () => {
    expect(phaseRate('classify', 1_048_576, 4096, 12)).toBe('87.4 M pages/s');
    expect(phaseRate('classify', 500, 4096, 1000)).toBe('500 pages/s');
    expect(phaseRate('classify', 999_951, 4096, 1000)).toBe('1.0 M pages/s');
    expect(phaseRate('classify', 500, 4096, 0)).toBeUndefined();
    expect(phaseRate('compress', 38_678, 4096, 380)).toBe('417 MB/s');
    expect(phaseRate('compress', 38_678, 65_536, 380)).toBe('6.7 GB/s');
  });
});
