import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ProgressView, plainLine, progressView } from '../../src/cli/progress.ts';
import { barLine } from '../../src/cli/progress-bar.ts';
import type { Phase, Progress } from '../../src/workers/report.ts';
import { fakeHost } from './fake-host.ts';

const PAGE = 4096;
const LOOK = { full: '█', empty: '░' };

function at(donePages: number, totalPages: number, elapsedMs: number, phase: Phase = 'compress'): Progress {
  return { phase, donePages, totalPages, elapsedMs };
}

const SAMPLES: Progress[] = [
  at(0, 1_048_576, 0, 'classify'),
  at(524_288, 1_048_576, 6, 'classify'),
  at(1_048_576, 1_048_576, 12, 'classify'),
  at(0, 38_678, 0),
  at(1, 38_678, 10),
  at(23_593, 38_678, 230),
  at(38_677, 38_678, 380),
  at(38_678, 38_678, 380),
  at(0, 0, 0),
  at(1, 1, 0),
  at(2_000_000_000, 4_294_967_296, 3_000_000),
  at(4_294_967_296, 4_294_967_296, 6_300_000),
  at(4_294_967_296, 4_294_967_296, 100_000, 'classify'),
];

describe('a progress line', () => {
  test('has a bar on a terminal of 80 columns', () => {
    const lines = SAMPLES.map((sample) => barLine(sample, PAGE, 79, LOOK));
    expect(`\n${lines.join('\n')}\n`).toMatchInlineSnapshot(`
      "
        classify  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    0 %                  eta -:--
        classify  ███████████████░░░░░░░░░░░░░░░   50 %  87.4 M pages/s  eta 0:01
        classify  ██████████████████████████████    4.0 GiB  1,048,576 pages   0.01 s
        compress  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    0 %                  eta -:--
        compress  ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░    0 %      409.6 kB/s  eta 6:27
        compress  ██████████████████░░░░░░░░░░░░   60 %        420 MB/s  eta 0:01
        compress  █████████████████████████████░   99 %        417 MB/s  eta 0:01
        compress  ██████████████████████████████  151.1 MiB     38,678 pages    0.4 s
        compress  ██████████████████████████████        0 B          0 pages  <0.01 s
        compress  ██████████████████████████████    4.0 KiB           1 page  <0.01 s
        compress  █████████████░░░░░░░░░░░░░░░░░   46 %        2.7 GB/s  eta 57:23
        compress  ███████████████████████   16.0 TiB  4,294,967,296 pages  1 h 45 min
        classify  ███████████████████████   16.0 TiB  4,294,967,296 pages  1 min 40 s
      "
    `);
  });

  test('never fills the width of the terminal', () => {
    for (let width = 1; width <= 200; width++) {
      for (const sample of SAMPLES)
        expect(barLine(sample, PAGE, width, LOOK).length).toBeLessThanOrEqual(width);
    }
  });

  test('has no bar where it would be too short to say anything', () => {
    expect(barLine(at(50, 100, 10), PAGE, 50, LOOK)).toMatchInlineSnapshot(
      `"  compress  50 %       20.5 MB/s  eta 0:01"`,
    );
  });

  test('is plain elsewhere', () => {
    const lines = SAMPLES.map((sample) => plainLine(sample, PAGE));
    expect(`\n${lines.join('\n')}\n`).toMatchInlineSnapshot(`
      "
        classify  0 %  0 of 1,048,576 pages  eta -:--
        classify  50 %  524,288 of 1,048,576 pages  87.4 M pages/s  eta 0:01
        classify  4.0 GiB  1,048,576 pages  0.01 s
        compress  0 %  0 of 38,678 pages  eta -:--
        compress  0 %  1 of 38,678 pages  409.6 kB/s  eta 6:27
        compress  60 %  23,593 of 38,678 pages  420 MB/s  eta 0:01
        compress  99 %  38,677 of 38,678 pages  417 MB/s  eta 0:01
        compress  151.1 MiB  38,678 pages  0.4 s
        compress  0 B  0 pages  <0.01 s
        compress  4.0 KiB  1 page  <0.01 s
        compress  46 %  2,000,000,000 of 4,294,967,296 pages  2.7 GB/s  eta 57:23
        compress  16.0 TiB  4,294,967,296 pages  1 h 45 min
        classify  16.0 TiB  4,294,967,296 pages  1 min 40 s
      "
    `);
  });

  test('says 100 % only when all is done', () => {
    expect(plainLine(at(999_999, 1_000_000, 10), PAGE)).toContain(' 99 %');
  });
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A run of two phases of the given length, with news ten times a second. */
function play(view: ProgressView, secondsPerPhase: number): void {
  for (const phase of ['classify', 'compress'] as const) {
    const steps = secondsPerPhase * 10;
    for (let step = 0; step <= steps; step++) {
      view.show(at(step * 1000, steps * 1000, step * 100, phase), PAGE);
      if (step < steps) vi.advanceTimersByTime(100);
    }
  }
  view.end();
}

describe('progress that is not on a terminal', () => {
  test('is at most one line a second, without carriage returns or escapes', async () => {
    const host = fakeHost();
    play(await progressView(host), 2);
    expect(`\n${host.stderr.text}`).toMatchInlineSnapshot(`
      "
        classify  50 %  10,000 of 20,000 pages  10,000 pages/s  eta 0:01
        classify  78.1 MiB  20,000 pages  2.0 s
        compress  50 %  10,000 of 20,000 pages  41.0 MB/s  eta 0:01
        compress  78.1 MiB  20,000 pages  2.0 s
      "
    `);
    expect(host.stderr.text).toMatch(/^[ -~\n]*$/);
  });

  test('is silent in a run that is over within a second', async () => {
    const host = fakeHost();
    play(await progressView(host), 0.4);
    expect(host.stderr.text).toBe('');
  });
});

describe('progress on a terminal', () => {
  test('leaves one line for each phase', async () => {
    const host = fakeHost({ columns: 80 });
    play(await progressView(host), 2);
    expect(`\n${host.stderr.screen.join('\n')}`).toMatchInlineSnapshot(`
      "
        classify  ██████████████████████████████   78.1 MiB     20,000 pages    2.0 s
        compress  ██████████████████████████████   78.1 MiB     20,000 pages    2.0 s
      "
    `);
  });

  test('moves with carriage returns only, so that there is nothing to restore', async () => {
    const host = fakeHost({ columns: 80 });
    play(await progressView(host), 1);
    expect(host.stderr.text).not.toContain('\x1b');
    expect(host.stderr.text.split('\r').length).toBeGreaterThan(10);
  });

  test('ends its line and its timer when the run fails in the middle', async () => {
    const host = fakeHost({ columns: 80 });
    const view = await progressView(host);
    view.show(at(0, 1000, 0), PAGE);
    vi.advanceTimersByTime(100);
    view.show(at(500, 1000, 100), PAGE);
    view.end();
    view.end();
    expect(host.stderr.text.endsWith('\n')).toBe(true);
    expect(host.stderr.screen.length).toBe(2);
    expect(host.stderr.screen[0]).toContain('50 %');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('ends the line of a phase as soon as it is done', async () => {
    const host = fakeHost({ columns: 80 });
    const view = await progressView(host);
    view.show(at(0, 1000, 0), PAGE);
    view.show(at(1000, 1000, 100), PAGE);
    expect(host.stderr.text).toMatch(/1,000 pages {4}0\.1 s *\n$/);
    expect(vi.getTimerCount()).toBe(0);
    view.show(at(1000, 1000, 101), PAGE);
    view.end();
    expect(host.stderr.screen.length).toBe(2);
  });

  test('says nothing when there was no progress', async () => {
    const host = fakeHost({ columns: 80 });
    (await progressView(host)).end();
    expect(host.stderr.text).toBe('');
  });

  test('draws in ASCII where the locale is not UTF-8', async () => {
    for (const env of [
      { LANG: 'C', TERM: 'linux' },
      { TERM: 'linux' },
      { LANG: 'C.UTF-8', LC_ALL: 'POSIX', TERM: 'linux' },
    ]) {
      const host = fakeHost({ columns: 80, env });
      play(await progressView(host), 1);
      expect(host.stderr.text).toMatch(/^[ -~\r\n]*$/);
      expect(host.stderr.text).toContain('####');
    }
  });

  test('redraws a slow console once a second', async () => {
    const redraws = async (options: Parameters<typeof fakeHost>[0]): Promise<number> => {
      const host = fakeHost({ columns: 80, ...options });
      const view = await progressView(host);
      for (let step = 0; step < 100; step++) {
        view.show(at(step * 1000, 200_000, step * 100), PAGE);
        vi.advanceTimersByTime(100);
      }
      view.end();
      return host.stderr.text.split('\r').length - 1;
    };
    expect(await redraws({ stderrDevice: '/dev/pts/3' })).toBeGreaterThan(40);
    for (const slow of [
      { stderrDevice: '/dev/console' },
      { stderrDevice: '/dev/ttyS0' },
      { env: { TERM: 'dumb' } },
    ]) {
      expect(await redraws(slow)).toBeLessThanOrEqual(13);
    }
  });

  test('covers what a longer line left behind', async () => {
    const host = fakeHost({ columns: 80 });
    const view = await progressView(host);
    view.show(at(1, 10_000_000, 100_000_000), PAGE);
    vi.advanceTimersByTime(1000);
    view.show(at(9_999_999, 10_000_000, 100_000_001), PAGE);
    view.end();
    expect(host.stderr.screen[0].split('eta').length).toBe(2);
    expect(host.stderr.screen[0]).toMatch(/eta 0:01$/);
  });
});
