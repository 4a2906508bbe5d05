import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drawChart } from '../../src/cli/bench-chart.ts';
import { type Box, placeLabels } from '../../src/cli/chart-labels.ts';
import { linearScale, logScale } from '../../src/cli/chart-scale.ts';
import { samplePart } from './bench-report.ts';

const title = { dump: 'vmcore', dumpLevel: 31, cpu: 'AMD EPYC 7763 64-Core Processor', node: 'v20.19.0' };

describe('the picture', () => {
  test('is this one for made-up numbers', async () => {
    await expect(drawChart(samplePart(), title)).toMatchFileSnapshot('golden/bench-chart.svg');
  });

  test('does not let a name become markup', () => {
    const svg = drawChart(samplePart(), { ...title, dump: '</text><script>"&\x07' });
    expect(svg).toContain('&lt;/text&gt;&lt;script&gt;&quot;&amp;\\x07');
    expect(svg).not.toContain('<script');
  });

  test('names dump, level, machine and Node, and needs nothing from elsewhere', () => {
    const svg = drawChart(samplePart(), title);
    for (const words of ['vmcore', 'level 31', 'AMD EPYC 7763', 'v20.19.0', '2,000 of its pages'])
      expect(svg).toContain(words);
    expect(svg).not.toMatch(/href|url\(|<style|<script/);
    expect(svg.match(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/)).not.toBeNull();
  });
});

describe('the axes', () => {
  test('have marks at round numbers, in order, inside', () => {
    const scale = logScale([3, 450], 100, 900);
    expect(scale.ticks).toEqual([5, 10, 20, 50, 100, 200, 500]);
    expect(scale.at(3)).toBeGreaterThan(100);
    expect(scale.at(450)).toBeLessThan(900);
    expect(linearScale([24, 38], 500, 100).ticks).toEqual(
      [22, 24, 26, 28, 30, 32, 34, 36, 38, 40].filter((t) => t >= 22),
    );
  });

  test('hold all values', () => {
    const values = fc.array(fc.double({ min: 0.01, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(values, (numbers) => {
        for (const scale of [logScale(numbers, 0, 100), linearScale(numbers, 0, 100)]) {
          expect(scale.ticks.length).toBeLessThan(60);
          for (const value of numbers) {
            expect(scale.at(value)).toBeGreaterThanOrEqual(0);
            expect(scale.at(value)).toBeLessThanOrEqual(100);
          }
        }
      }),
    );
  });

  test('hold values that differ in their last digit alone', () => {
    const close = [15226.611037255709, 15226.611037255707];
    for (const value of close) expect(linearScale(close, 0, 100).at(value)).toBeGreaterThanOrEqual(0);
  });
});

describe('labels', () => {
  const inside: Box = { left: 0, top: 0, width: 800, height: 400 };

  test('stay near a point that stands alone', () => {
    const [placed] = placeLabels([{ x: 400, y: 200, label: 'lzo' }], inside);
    expect(placed.far).toBe(false);
    expect(Math.hypot(placed.x - 400, placed.y - 200)).toBeLessThan(30);
  });

  test('do not cover each other where points crowd', () => {
    const points = Array.from({ length: 12 }, (_, i) => ({
      x: 300 + (i % 4) * 9,
      y: 200 + Math.floor(i / 4) * 9,
      label: String(i % 10),
    }));
    const placed = placeLabels(points, inside);
    for (const [i, a] of placed.entries()) {
      for (const b of placed.slice(i + 1)) {
        expect(Math.abs(a.x - b.x) >= 7 || Math.abs(a.y - b.y) >= 12, `${i}`).toBe(true);
      }
    }
  });

  test('stay inside at the corners', () => {
    for (const [x, y] of [
      [0, 0],
      [800, 0],
      [0, 400],
      [800, 400],
    ]) {
      const [placed] = placeLabels([{ x, y, label: 'snappy' }], inside);
      expect(placed.x).toBeGreaterThan(20);
      expect(placed.x).toBeLessThan(780);
      expect(placed.y).toBeGreaterThan(8);
      expect(placed.y).toBeLessThan(400);
    }
  });
});
