/** What is typed as an address, a symbol or a length, and what is neither. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readAddress, readLength, readWhere, readWho } from '../../../src/cli/look/where.ts';
import { SmeltError } from '../../../src/errors.ts';

describe('an address', () => {
  test('is hexadecimal, with 0x or without', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
        const hex = value.toString(16);
        expect(readAddress(`0x${hex}`)).toBe(value);
        expect(readAddress(hex.padStart(16, '0'))).toBe(value);
      }),
    );
    expect(readAddress('1000')).toBe(0x1000n);
  });

  test.each(['face', 'add', 'deadbeef', '0x', '0x12345678123456789', '12 34'])('is not %s', (text) => {
    expect(readAddress(text)).toBeUndefined();
  });
});

describe('a symbol', () => {
  test.each([
    ['init_task', 'init_task', 0],
    ['init_task+0x10', 'init_task', 16],
    ['init_task+10', 'init_task', 10],
    ['__func__.1+0xff', '__func__.1', 255],
    ['face', 'face', 0],
  ])('may have an offset: %s', (text, name, offset) => {
    expect(readWhere(text)).toEqual({ kind: 'symbol', name, offset });
  });

  test.each(['', 'a b', 'init_task+', 'init_task-8', 'init_task+0x', 'a+99999999999999999999', '\x1b[31m'])(
    'is refused, in words: %j',
    (text) => {
      expect(() => readWhere(text)).toThrow(SmeltError);
    },
  );
});

describe('whose tasks', () => {
  test.each([
    ['118', { kind: 'pid', pid: 118 }],
    ['ffff8d086162b080', { kind: 'task', vaddr: 0xffff8d086162b080n }],
    ['0xffff8d086162b080', { kind: 'task', vaddr: 0xffff8d086162b080n }],
    ['cpu2', { kind: 'cpu', cpu: 2 }],
    ['cpuhp/0', { kind: 'comm', comm: 'cpuhp/0' }],
    ['hog-alpha/t1', { kind: 'comm', comm: 'hog-alpha/t1' }],
    ['face', { kind: 'comm', comm: 'face' }],
  ])('are meant by %s', (text, who) => {
    expect(readWho(text)).toEqual(who);
  });

  test.each(['', '12345678901', '0x10', '0xffff8d086162b0801', 'cpu123456'])('is not said by %j', (text) => {
    expect(() => readWho(text)).toThrow(SmeltError);
  });
});

describe('a length', () => {
  test.each([
    ['64', 64],
    ['0x40', 64],
    ['4K', 4096],
    ['1M', 2 ** 20],
  ])('%s is %d bytes', (text, bytes) => {
    expect(readLength(text)).toBe(bytes);
  });

  test.each(['0', '-1', 'x', '', '1.5', '0x', '99999999999999999999'])('is not %j', (text) => {
    expect(() => readLength(text)).toThrow(SmeltError);
  });
});
