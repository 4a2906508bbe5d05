import { describe, expect, test } from 'vitest';
import { EXIT_AT_ONCE, interruptible } from '../../src/cli/signals.ts';
import { fakeHost } from './fake-host.ts';

describe('a signal', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'])('%s asks the engine to clean up', (name) => {
    const host = fakeHost();
    using interruption = interruptible(host, () => {});
    expect(interruption.signal.aborted).toBe(false);
    host.send(name);
    expect(interruption.signal.reason).toMatchObject({
      code: 'INTERRUPTED',
      message: `interrupted by ${name}`,
      exitCode: 1,
    });
    expect(host.exits).toEqual([]);
  });

  test('ends the run at once when it is a second Ctrl-C', () => {
    const host = fakeHost();
    let told = 0;
    using _ = interruptible(host, () => told++);
    host.send('SIGINT');
    expect(told).toBe(0);
    host.send('SIGINT');
    expect(told).toBe(1);
    expect(host.exits).toEqual([EXIT_AT_ONCE]);
  });

  test('does not hurry the clean-up when a service manager sends two', () => {
    const host = fakeHost();
    using interruption = interruptible(host, () => {});
    host.send('SIGTERM');
    host.send('SIGHUP');
    host.send('SIGTERM');
    expect(host.exits).toEqual([]);
    expect(interruption.signal.reason.message).toBe('interrupted by SIGTERM');
  });

  test('is left to the process when the run is over', () => {
    const host = fakeHost();
    interruptible(host, () => {})[Symbol.dispose]();
    expect(host.listeners.size).toBe(0);
  });
});
