import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { sinkOf } from '../../src/cli/process-host.ts';

class Stream extends EventEmitter {
  isTTY = true;
  columns = 100;
  written: string[] = [];
  taken: ((error?: Error) => void)[] = [];
  write(text: string, done?: (error?: Error) => void): void {
    this.written.push(text);
    if (done) this.taken.push(done);
  }
}

const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe('a stream of the process', () => {
  test('is silent after its reader is gone, and that is no failure', () => {
    const stream = new Stream();
    const lost: Error[] = [];
    const sink = sinkOf(stream, (error) => lost.push(error));
    sink.write('a');
    stream.emit('error', failure('EPIPE'));
    stream.emit('error', failure('EPIPE'));
    sink.write('b');
    expect(stream.written).toEqual(['a']);
    expect(lost).toEqual([]);
  });

  test('tells once of anything else that goes wrong', () => {
    const stream = new Stream();
    const lost: Error[] = [];
    sinkOf(stream, (error) => lost.push(error));
    stream.emit('error', failure('ENOSPC'));
    stream.emit('error', failure('EIO'));
    expect(lost.map(({ message }) => message)).toEqual(['ENOSPC']);
  });

  test('waits with much text until it is taken, or its reader is gone', async () => {
    const stream = new Stream();
    const sink = sinkOf(stream, () => {});
    let passed = false;
    const passing = sink.pass('a').then(() => {
      passed = true;
    });
    await new Promise(setImmediate);
    expect({ passed, written: stream.written }).toEqual({ passed: false, written: ['a'] });
    stream.taken[0]();
    await passing;
    stream.emit('error', failure('EPIPE'));
    await expect(sink.pass('b')).rejects.toMatchObject({ code: 'WRITE' });
    expect(stream.written).toEqual(['a']);
  });

  test.each([
    ['EPIPE', 'ended first'],
    ['ENOSPC', 'Check where it is redirected to.'],
  ])('tells who passes much text of %s, and nobody else', async (code, hint) => {
    const stream = new Stream();
    const lost: Error[] = [];
    const sink = sinkOf(stream, (error) => lost.push(error));
    const passing = sink.pass('a');
    stream.emit('error', failure(code));
    stream.taken[0](failure(code));
    await expect(passing).rejects.toMatchObject({
      code: 'WRITE',
      message: expect.stringContaining(`standard output cannot be written: `),
      hint: expect.stringContaining(hint),
    });
    expect(lost).toEqual([]);
  });

  test('has the width that the terminal has now', () => {
    const stream = new Stream();
    const sink = sinkOf(stream, () => {});
    stream.columns = 40;
    expect([sink.isTTY, sink.columns]).toEqual([true, 40]);
    expect(
      sinkOf(Object.assign(new Stream(), { isTTY: undefined, columns: undefined }), () => {}),
    ).toMatchObject({
      isTTY: false,
      columns: 0,
    });
  });
});
