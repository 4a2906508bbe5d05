import { describe, expect, test } from 'vitest';
import type { SyntheticReport } from '../../src/bench/report.ts';
import { benchTable } from '../../src/cli/bench-table.ts';
import { columns } from '../../src/cli/columns.ts';
import { sampleBench, samplePart, samplePeer } from './bench-report.ts';

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));
const withPeer = () => sampleBench({ parts: undefined, peer: samplePeer() });

describe('the table of a benchmark', () => {
  test('has each part, and ends in advice', () => {
    expect(`\n${benchTable(sampleBench())}\n`).toMatchInlineSnapshot(`
      "
      /var/crash/vmcore  ELF, 4.0 GiB of RAM, Linux 6.12.117 x86_64, 5-level paging,
          encrypted memory (bit 51)
        AMD EPYC 7763 64-Core Processor, 2 CPUs, 8.0 GiB of memory, Node v20.19.0,
        Linux 6.1.0-56-amd64
        dump level 31; median and (least … most) of 3 rounds; outputs in
        /tmp/smelt-bench-abc123, removed

        one thread      MB/s
        memory        12,500  (11,250 … 15,000)  memcmp of two buffers, 512.0 MiB
        dump, read     5,000  (4,500 … 6,000)    1.0 GiB, first time 400
        dump, mapped   6,000  (5,400 … 7,200)    1.0 GiB, first time 5,000
        write          1,000  (900 … 1,200)      256.0 MiB, then fsync 0.40 s
        write, fsync     400  (360 … 480)        both together
        a page of zeros is told in 90.0 ns (81.0 … 108), 45.5 GB/s, another page in
        20.0 ns (18.0 … 24.0)

        threads  ns a page               M pages/s  RAM, GiB/s  of memory speed
              1        2.0  (1.8 … 2.4)        500       1,907          256.0 %
              2        1.0  (0.9 … 1.2)      1,000       3,815

        2,000 of 123,456 kept pages, none of them zero, one thread
        codec   level  maker      MB/s                   ratio  unpack MB/s
        zstd        1  native      500  (450 … 600)       4.00        1,250
        zstd        1  portable    150  (135 … 180)       3.90          375
        zlib        9  native       40  (36 … 48)         4.50          100
        lzo            native    1,000  (900 … 1,200)     2.50        2,500
        snappy         portable    200  (180 … 240)       2.40          500
        raw                      8,000  (7,200 … 9,600)   1.00       20,000
        not here: snappy native, libsnappy.so.1 is not installed

        threads  whole run, s                 kept MB/s    output  peak memory
              1          1.20  (1.08 … 1.44)        421  104.0 MB     88.0 MiB
              2          0.60  (0.54 … 0.72)        842  104.0 MB    106.0 MiB

      advice: fastest -l (0.4 s, 167.8 MB); in between -z (0.6 s, 106.4 MB); smallest
              of those measured -c --compression-level 9 (5.3 s, 95.0 MB); for 2
              threads, estimated from the run above with -z (0.6 s)
      "
    `);
  });

  test('has each pair of runs beside a peer, and what both kept', () => {
    expect(`\n${benchTable(withPeer())}\n`).toMatchInlineSnapshot(`
      "
      /var/crash/vmcore  ELF, 4.0 GiB of RAM, Linux 6.12.117 x86_64, 5-level paging,
          encrypted memory (bit 51)
        AMD EPYC 7763 64-Core Processor, 2 CPUs, 8.0 GiB of memory, Node v20.19.0,
        Linux 6.1.0-56-amd64
        dump level 31; median and (least … most) of 3 rounds; outputs in
        /tmp/smelt-bench-abc123, removed
        makedumpfile: version 1.7.2 (released on 20 Oct 2022)
        -z -d 31; threads: smelt 2, makedumpfile none, its best of none, 1 and 2

        pair    smelt, s  makedumpfile, s  smelt / peer
        1           0.40             0.80          0.50
        2           0.44             1.10          0.40
        3           0.60             1.00          0.60
        median      0.44             1.00          0.50  (0.40 … 0.60)

        smelt: classify 2.25 ms, compress 300 ms, to the disk after its end 0.50 ms,
          output 17.6 MB, memory 84.5 MiB
        makedumpfile: Excluding unnecessary pages 4.50 ms, Copying data 1.90 s, to the
          disk after its end 18 ms, output 18.2 MB, memory 34.5 MiB

        same pages: no, 67 differ; 22,489 pages kept by both
          kept by smelt alone: 66
            64 behind the end of makedumpfile's map: firmware, a known difference
            1 that the input has only in part: a known difference
          kept by makedumpfile alone: 1
          unexplained: 0x12ab (smelt), 0x40000 (makedumpfile)
        same contents: yes, 22,489 pages compared
      "
    `);
  });

  test('says of a dump that was only made where it is, and nothing of measuring', () => {
    const synthetic = { path: 'made', writtenBytes: 53e6, ms: 900 } as SyntheticReport;
    const report = sampleBench({ rounds: 0, parts: undefined, synthetic });
    expect(benchTable(report).split('\n').slice(2)).toEqual([
      '  synthetic: 53.0 MB written to made in 0.9 s',
    ]);
  });

  test('fits 80 columns', () => {
    expect(widest(benchTable(sampleBench()))).toBeLessThanOrEqual(80);
    expect(widest(benchTable(withPeer()))).toBeLessThanOrEqual(80);
  });

  test('says that all pages are the same where they are', () => {
    const same = {
      ...samplePeer().samePages!,
      same: true,
      differ: 0,
      onlySmelt: 0,
      onlyPeer: 0,
      behindPeersEnd: 0,
      partlyInInput: 0,
      unexplained: [],
    };
    const text = benchTable(sampleBench({ parts: undefined, peer: samplePeer({ samePages: same }) }));
    expect(text).toContain('same pages: yes, 22,489 pages\n  same contents: yes, 22,489 pages compared');
  });

  test('names one setting once when it is the best in two ways', () => {
    const { advice } = samplePart();
    const text = benchTable(
      sampleBench({
        parts: samplePart({ advice: { ...advice, between: advice.fastest } }),
      }),
    );
    expect(text.replace(/\s+/g, ' ')).toContain('advice: fastest and in between -l (');
  });

  test('does not obey what a dump or a program is called', () => {
    const peer = samplePeer({ program: '/x/\x1b[2J', version: 'v\x1b[31m' });
    const text = benchTable(sampleBench({ parts: undefined, peer }));
    expect(text).not.toContain('\x1b');
  });
});

test('columns are aligned, and end where their text ends', () => {
  expect(
    columns(
      ['left', 'right', 'left'],
      [
        ['a', '1', 'x'],
        ['bbb', '22'],
        ['c', '', 'yy'],
      ],
    ),
  ).toEqual(['  a     1  x', '  bbb  22', '  c        yy']);
});
