/** Commands run by their argument vector, within their limits. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { failureOf, findCommand, run } from '../../src/luks/run.ts';
import { tempFiles } from '../read/temp-files.ts';

const files = tempFiles();
const system = { commandPath: '/usr/bin:/bin', timeLimitMs: 10_000 };

function script(body: string): { commandPath: string; timeLimitMs: number } {
  const commandPath = files.path('commands');
  mkdirSync(commandPath);
  writeFileSync(`${commandPath}/command`, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return { ...system, commandPath };
}

describe('a command', () => {
  it('gets its arguments as they are, as no shell sees them', async () => {
    const strange = ['$(id)', '; rm -rf x', '', "it's", '*', 'a b'];
    const ran = await run(['printf', '%s\\n', ...strange], system);
    expect(ran).toMatchObject({ status: 0, stdout: `${strange.join('\n')}\n`, stderr: '', timedOut: false });
  });

  it('gets nothing of the caller’s environment, no input, and the root as its directory', async () => {
    process.env.SMELT_SECRET = 'secret';
    const ran = await run(['command'], script('/usr/bin/env; /bin/cat; /bin/pwd'));
    delete process.env.SMELT_SECRET;
    expect(ran.stdout).not.toMatch(/secret/);
    expect(ran.stdout).toMatch(/^LC_ALL=C$/m);
    expect(ran.stdout).toMatch(/^\/$/m);
  });

  it('is ended at its time limit, also when it does not want to', async () => {
    const options = script('trap "" TERM; while :; do /bin/sleep 0.05; done');
    const ran = await run(['command'], { ...options, timeLimitMs: 100 });
    expect(ran).toMatchObject({ status: undefined, timedOut: true });
    expect(failureOf(ran)).toMatch(/^took longer than/);
  });

  it('may say as much as it likes; the end of it is kept', async () => {
    const ran = await run(
      ['command'],
      script('/usr/bin/yes | /usr/bin/head -c 3000000; echo end; echo why >&2; exit 3'),
    );
    expect(ran.stdout.length).toBeLessThanOrEqual(16 * 1024);
    expect(ran.stdout).toMatch(/end\n$/);
    expect(failureOf(ran)).toBe('why (exit status 3)');
  });

  it('that is not there, or not to be run, is named', async () => {
    await expect(run(['no-such'], system)).rejects.toMatchObject({
      code: 'COMMAND',
      message: expect.stringMatching(/no no-such in/),
    });
    const { commandPath } = script('exit 0');
    chmodSync(`${commandPath}/command`, 0o644);
    expect(findCommand('command', commandPath)).toBeUndefined();
    writeFileSync(`${commandPath}/broken`, '#!/no/such/interpreter\n', { mode: 0o755 });
    await expect(run(['broken'], { ...system, commandPath })).rejects.toMatchObject({ code: 'COMMAND' });
  });

  it('is not looked for in the working directory', () => {
    expect(findCommand('vitest.config.ts', ':.')).toBeUndefined();
  });
});

describe('why a command failed', () => {
  const ran = { status: 1, stdout: '', stderr: '', timedOut: false, ms: 5 };
  it('is its last line, or how it ended; nothing of it reaches a terminal as a command to it', () => {
    expect(failureOf({ ...ran, status: 0 })).toBeUndefined();
    expect(failureOf(ran)).toBe('exit status 1');
    expect(failureOf({ ...ran, status: undefined })).toBe('was ended by a signal');
    expect(failureOf({ ...ran, stderr: 'first\nNo \u001b[31mkey\u0007.\n' })).toBe(
      'No  [31mkey . (exit status 1)',
    );
  });
});
