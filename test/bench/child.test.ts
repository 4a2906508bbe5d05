import { describe, expect, test } from 'vitest';
import { runProgram } from '../../src/bench/child.ts';
import { SmeltError } from '../../src/errors.ts';

const node = (script: string): string[] => [process.execPath, '-e', script];
const { signal } = new AbortController();

describe('a program that is run', () => {
  test('tells its exit code and what it said', async () => {
    const ended = await runProgram(node("console.log('out'); console.error('err'); process.exit(3)"), signal);
    expect(ended).toMatchObject({ code: 3, endedBy: undefined, stdout: 'out\n', stderr: 'err\n' });
    expect(ended.wallMs).toBeGreaterThan(0);
  });

  test('tells the signal that ended it', async () => {
    const ended = await runProgram(
      node("process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 9)"),
      signal,
    );
    expect(ended).toMatchObject({ code: undefined, endedBy: 'SIGKILL' });
  });

  test('has its memory watched on request', async () => {
    const script = 'setTimeout(() => {}, 300)';
    expect((await runProgram(node(script), signal)).peakRssBytes).toBeUndefined();
    const watched = await runProgram(node(script), signal, { watchMemory: true });
    expect(watched.peakRssBytes).toBeGreaterThan(2 ** 20);
  });

  test('is an error when it is not there', async () => {
    await expect(runProgram(['/no/such/program'], signal)).rejects.toMatchObject({
      code: 'PEER',
      message: '/no/such/program: cannot be started: no such file (ENOENT)',
      hint: 'Install it, or give the path of the program.',
    });
  });

  test('has ended when an interruption is told', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new SmeltError('INTERRUPTED', 'interrupted by SIGINT')), 200);
    const running = runProgram(node('setInterval(() => {}, 1000)'), controller.signal);
    await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED', message: 'interrupted by SIGINT' });
  });
});
