/** What a part of a dump must have to show the kernel log: the tables on the way to it, and the log wherever it lies. */
import { describe, expect, it } from 'vitest';
import { wayToLog } from '../../src/kernel/way-to-log.ts';
import { tempFiles } from '../read/temp-files.ts';
import { openVmcore, x86_64 } from './opened.ts';

const files = tempFiles();

describe('the way to the log', () => {
  it.each(['6.1', '4.19'] as const)(
    'of Linux %s has its memory and all tables of the walk to it',
    (kernel) => {
      const { info, walker, built } = openVmcore(files, { kernel, dmesg: ['one', 'two'] });
      const ranges = wayToLog(info, x86_64, walker, 4096);
      const has = (paddr: number) => ranges.some(({ pfn, end }) => pfn <= paddr / 4096 && paddr / 4096 < end);
      const entries: number[] = [];
      const log = walker.translate(built.tables.image.symbol('__log_buf'), ({ entryPaddr }) =>
        entries.push(entryPaddr),
      )!;
      expect(entries.length).toBeGreaterThan(2);
      expect([log.paddr, ...entries].filter((paddr) => !has(paddr))).toEqual([]);
    },
  );

  it('is that of the image alone where there is no log', () => {
    const { info, walker } = openVmcore(files, {
      overrides: { 'SYMBOL(prb)': undefined, 'SYMBOL(log_buf)': undefined },
    });
    expect(wayToLog(info, x86_64, walker, 4096).length).toBeGreaterThan(0);
  });
});
