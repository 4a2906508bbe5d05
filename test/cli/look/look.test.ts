/** How the answer of a look is passed on: in pieces, whatever a dump makes of it, and with an ear for signals. */
import { expect, test } from 'vitest';
import type { Looks } from '../../../src/cli/look/look.ts';
import { run } from '../../../src/cli/main.ts';
import { type FakeHost, fakeHost, sampleInput } from '../fake-host.ts';

const MODULES = 40_000;
/** More than this is never one string. */
const MOST = 3 * 1024 * 1024;

const module = (i: number) => ({
  vaddr: BigInt(i),
  name: 'm'.repeat(48),
  base: BigInt(i),
  sizeBytes: 0,
  memory: [],
  state: undefined,
  useCount: undefined,
  usedBy: i % 2 === 0 ? ['a', 'b'] : undefined,
  taints: '',
});
const REPORT = {
  input: sampleInput(),
  modules: Array.from({ length: MODULES }, (_, i) => module(i)),
  totalMs: 1.23456,
  peakRssBytes: 1,
  warnings: [],
};

function hostOf(): { host: FakeHost; passed: string[] } {
  const looks = { mods: async () => REPORT } as unknown as Looks;
  const host = fakeHost({ looks });
  const passed: string[] = [];
  host.stdout.pass = async (data) => {
    passed.push(String(data));
    host.stdout.write(String(data));
  };
  return { host, passed };
}

test.each(['text', 'json'])(
  'a long answer is passed on in pieces, and they are all of it: %s',
  async (form) => {
    const { host, passed } = hostOf();
    expect(await run(['mods', ...(form === 'json' ? ['--json'] : []), 'vmcore'], host)).toBe(0);
    expect(passed.length).toBeGreaterThan(3);
    expect(Math.max(...passed.map(({ length }) => length))).toBeLessThan(MOST);
    const all = passed.join('');
    if (form === 'text') {
      const lines = all.split('\n');
      expect(lines.filter((line) => line.includes('mmm'))).toHaveLength(MODULES);
      expect(all.includes('a,')).toBe(true);
      return;
    }
    const { report, command } = JSON.parse(all);
    expect([command, report.modules.length, report.totalMs]).toEqual(['mods', MODULES, 1.235]);
    expect(report.modules[1]).toEqual({
      ...module(1),
      ...{ vaddr: '0x1', base: '0x1', state: null, useCount: null, usedBy: null },
    });
  },
);

test('a signal ends it between two pieces, and the failure is a line of its own', async () => {
  const { host, passed } = hostOf();
  const { pass } = host.stdout;
  host.stdout.pass = async (data) => {
    await pass(data);
    host.send('SIGTERM');
  };
  expect(await run(['mods', '--json', 'vmcore'], host)).toBe(1);
  expect(passed).toHaveLength(1);
  const last = host.stdout.text.trimEnd().split('\n').at(-1)!;
  expect(JSON.parse(last).error).toMatchObject({ code: 'INTERRUPTED' });
  expect(host.stderr.text).toBe('smelt: interrupted by SIGTERM\n');
});

test('a signal that comes with the last piece is too late', async () => {
  const { host } = hostOf();
  const { pass } = host.stdout;
  host.stdout.pass = async (data) => {
    await pass(data);
    if (String(data).endsWith('}}\n')) host.send('SIGTERM');
  };
  expect(await run(['mods', '--json', 'vmcore'], host)).toBe(0);
});
