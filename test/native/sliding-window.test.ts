import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSlidingWindow, type SlidingWindow } from '../../src/native/sliding-window.ts';
import { needsNative, noNative } from '../native-parts.ts';

const PATH = 'package-lock.json';
const MIB = 2 ** 20;

function open(): SlidingWindow {
  const window = openSlidingWindow(MIB);
  if ('unavailable' in window) throw new Error(window.unavailable);
  return window;
}

describe.skipIf(noNative !== undefined)(`a sliding window${needsNative}`, () => {
  const whole = noNative === undefined ? readFileSync(PATH) : Buffer.alloc(0);

  it('shows the bytes of a file at any place', () => {
    const window = open();
    const fd = openSync(PATH, 'r');
    for (const at of [0, 5000, 4096, 3, whole.length - 100]) {
      const start = window.slide(fd, at, 100, whole.length);
      expect(start).toBeDefined();
      expect(window.bytes.subarray(start, start! + 100).equals(whole.subarray(at, at + 100))).toBe(true);
    }
    window.close();
    closeSync(fd);
  });

  it('refuses what is not inside the file, or larger than itself', () => {
    const window = open();
    const fd = openSync(PATH, 'r');
    for (const [at, length] of [
      [-1, 10],
      [0, 0],
      [whole.length - 10, 11],
      [0, 2 * MIB],
    ] as const) {
      expect(window.slide(fd, at, length, whole.length)).toBeUndefined();
    }
    window.close();
    closeSync(fd);
  });

  it('is never touched again after the system refused a mapping, because its addresses may be somebody else’s', () => {
    const window = open();
    const fd = openSync(PATH, 'r');
    expect(window.slide(fd, 0, 100, whole.length)).toBe(0);
    // No file has this number.
    expect(window.slide(987_654, 0, 100, whole.length)).toBeUndefined();
    expect(window.slide(fd, 0, 100, whole.length)).toBeUndefined();
    window.close();
    closeSync(fd);
  });

  it('refuses what is gone from a file that was cut short, where touching it would be the end', () => {
    const folder = mkdtempSync(join(tmpdir(), 'smelt-window-'));
    const path = join(folder, 'file');
    writeFileSync(path, Buffer.alloc(64 * 1024, 7));
    const window = open();
    const fd = openSync(path, 'r');
    expect(window.slide(fd, 40_000, 1000, 64 * 1024)).toBeDefined();
    truncateSync(path, 8192);
    expect(window.slide(fd, 40_000, 1000, 64 * 1024)).toBeUndefined();
    expect(window.slide(fd, 4096, 4096, 64 * 1024)).toBeDefined();
    expect(window.bytes[window.slide(fd, 8191, 1, 64 * 1024)!]).toBe(7);
    window.close();
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
});
