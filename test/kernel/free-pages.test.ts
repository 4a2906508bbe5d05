/** The kernel's own counters of free pages. */
import { describe, expect, it } from 'vitest';
import { kernelFreePages } from '../../src/kernel/free-pages.ts';
import { tempFiles } from '../read/temp-files.ts';
import { openVmcore } from './opened.ts';

const files = tempFiles();
const count = (options: Parameters<typeof openVmcore>[1]) => {
  const { info, walker } = openVmcore(files, options);
  return kernelFreePages(info, walker);
};

describe('the number of free pages that the kernel counts', () => {
  it.each(['5.10', '6.1', '6.12', '7.3'] as const)('is the sum over the zones of Linux %s', (kernel) => {
    expect(count({ kernel, freePages: [100, 20_000, 3] })).toBe(20_103);
  });

  it('is read without NUMA, too', () => {
    expect(count({ memoryModel: 'flatmem', freePages: [7, 8, 9] })).toBe(24);
  });

  it('is what the builder put into free blocks', () => {
    expect(count({ pages: [{ pfn: 0x2000, kind: 'buddy', order: 4, count: 3 }] })).toBe(48);
  });

  it.each([
    'NUMBER(NR_FREE_PAGES)',
    'OFFSET(pglist_data.node_zones)',
    'OFFSET(pglist_data.nr_zones)',
    'SIZE(zone)',
    'OFFSET(zone.vm_stat)',
    'SYMBOL(node_data)',
  ])('is not known without %s', (key) => {
    expect(count({ overrides: { [key]: undefined } })).toBeUndefined();
  });

  it.each([
    ['NUMBER(NR_FREE_PAGES)', '-1'],
    ['NUMBER(NR_FREE_PAGES)', '257'],
    ['NUMBER(NR_FREE_PAGES)', '9223372036854775807'],
    ['OFFSET(pglist_data.nr_zones)', '2147483647'],
    ['OFFSET(pglist_data.nr_zones)', '8'],
    ['SIZE(zone)', '2147483647'],
    ['SYMBOL(node_data)', '1000'],
    ['SYMBOL(node_data)', 'ffffffffffffffff'],
  ])('is not known where %s=%s', (key, value) => {
    expect(count({ overrides: { [key]: value }, freePages: [-5, 1, 1] })).toBeUndefined();
  });

  it('is not known where the counters say less than nothing', () => {
    expect(count({ freePages: [-5, 1, 1] })).toBeUndefined();
  });

  it('is found in spite of an unreadable map of nodes, and whatever LENGTH(node_data) says', () => {
    expect(count({ overrides: { 'SYMBOL(node_online_map)': undefined }, freePages: [1, 1, 1] })).toBe(3);
    for (const length of ['1', '2147483647', undefined]) {
      expect(count({ overrides: { 'LENGTH(node_data)': length }, freePages: [1, 1, 1] })).toBe(3);
    }
  });
});
