/** Records of the kernel log by their parts. */
import { describe, expect, it } from 'vitest';
import type { LogRecord } from '../../src/kernel/log.ts';
import { logRecords } from '../../src/kernel/log.ts';
import { logEntry } from '../../src/kernel/log-entry.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import { priorityOf } from '../build/kernel-log.ts';
import { tempFiles } from '../read/temp-files.ts';
import { openVmcore } from './opened.ts';

const record = (change: Partial<LogRecord>): LogRecord => ({
  tsNsec: 1_234_567_890n,
  callerId: 7,
  priority: { level: 3, facility: 0 },
  text: Buffer.from('text'),
  ...change,
});

describe('a record', () => {
  it('has time, level, facility and caller by their names', () => {
    expect(logEntry(record({}))).toEqual({
      timeUs: 1_234_567,
      level: 'err',
      facility: 'kern',
      caller: 'T7',
      text: 'text',
    });
    const other = record({ callerId: 2 ** 31 + 3, priority: { level: 7, facility: 23 } });
    expect(logEntry(other)).toMatchObject({ level: 'debug', facility: '23', caller: 'C3' });
  });

  it('says of what is not known that it is not', () => {
    expect(logEntry(record({ callerId: undefined, priority: undefined }))).toMatchObject({
      level: undefined,
      facility: undefined,
      caller: undefined,
    });
  });

  it('has its text as UTF-8', () => {
    expect(logEntry(record({ text: Buffer.from('5 µs, two\nlines') })).text).toBe('5 µs, two\nlines');
  });

  it('of plain text has its level and time in front', () => {
    const plain = (line: string) =>
      logEntry(
        record({ tsNsec: undefined, callerId: undefined, priority: undefined, text: Buffer.from(line) }),
      );
    expect(plain('<4>[   12.345678] message\n')).toEqual({
      timeUs: 12_345_678,
      level: 'warn',
      facility: 'kern',
      caller: undefined,
      text: 'message',
    });
    expect(plain('<30>no time\n')).toMatchObject({ timeUs: undefined, level: 'info', facility: 'daemon' });
    expect(plain('<0>gone\n')).toMatchObject({ level: 'emerg', facility: 'kern', text: 'gone' });
    expect(plain('the rest of a line')).toMatchObject({ level: undefined, text: 'the rest of a line' });
  });
});

describe('the priority of a record', () => {
  const files = tempFiles();

  it.each(['4.14', '4.19', '5.10', '6.1', '6.12', '7.3'] as const)(
    'stands where Linux %s has it',
    (kernel) => {
      const { info, walker } = openVmcore(files, { kernel, dmesg: Array(20).fill('text') });
      const records = [...logRecords(info, walker)!].map((each) => each!.priority);
      expect(records).toEqual(Array.from({ length: 20 }, (_, index) => priorityOf(index)));
    },
  );

  it('is not known where VMCOREINFO says that something else is there', () => {
    const { built, walker } = openVmcore(files, { kernel: '6.1', dmesg: ['text'] });
    const info = new Vmcoreinfo(
      built.vmcoreinfoText.replace(/OFFSET\(printk_info.caller_id\)=\d+/, 'OFFSET(printk_info.caller_id)=24'),
    );
    expect([...logRecords(info, walker)!].map((each) => each!.priority)).toEqual([undefined]);
  });
});
