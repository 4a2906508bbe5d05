import { mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SmeltError } from '../../src/errors.ts';
import { dump } from '../../src/workers/dump.ts';
import type { Phase, Progress } from '../../src/workers/report.ts';
import { encodeFlattened } from '../build/flattened.ts';
import { parseKdump } from '../program/parse-kdump.ts';
import { buildEveryKind } from './every-kind.ts';
import { failureOf, requestOf, scratch } from './run-dump.ts';

const dir = scratch();
const input = join(dir, 'core');
const core = buildEveryKind({ path: input });

/** Aborts at the first progress of a phase. */
async function abortedIn(phase: Phase, output: string, keepIncomplete: boolean): Promise<unknown> {
  const controller = new AbortController();
  const onProgress = (p: Progress) => {
    if (p.phase === phase) controller.abort(new SmeltError('INTERRUPTED', 'interrupted by a test'));
  };
  const request = requestOf({ input, output, dumpLevel: 1, codec: 'zlib', keepIncomplete });
  const observer = { onInput: () => {}, onWarning: () => {}, onProgress };
  return dump(request, observer, controller.signal).catch((error: unknown) => error);
}

describe.each(['classify', 'compress'] as const)(
  'a run that is interrupted when it begins to %s',
  (phase) => {
    test('leaves nothing', async () => {
      const out = join(dir, `none-${phase}`);
      mkdirSync(out);
      const error = await abortedIn(phase, join(out, 'dump'), false);
      expect(error).toMatchObject({ code: 'INTERRUPTED', message: 'interrupted by a test' });
      expect((error as SmeltError).hint).toContain('What was written is removed');
      expect(readdirSync(out)).toEqual([]);
    });

    test('leaves what it has when that is asked for, and says how far that goes', async () => {
      const out = join(dir, `kept-${phase}`);
      mkdirSync(out);
      const error = await abortedIn(phase, join(out, 'dump'), true);
      if (phase === 'classify') {
        // There are no pages yet that could be of use.
        expect(error).toMatchObject({ code: 'INTERRUPTED', hint: undefined });
        expect(readdirSync(out)).toEqual([]);
        return;
      }
      const hint = `What was written is in ${join(out, 'dump.incomplete')}, marked incomplete; \`smelt --dump-dmesg\` mostly shows the log of it, and crash opens it`;
      expect(error).toMatchObject({ code: 'INTERRUPTED', hint: expect.stringContaining(hint) });
      expect(readdirSync(out)).toEqual(['dump.incomplete']);
      const left = parseKdump(join(out, 'dump.incomplete'));
      expect(left.status).toBe(0x1 | 0x8);
      expect(left.vmcoreinfo).toBe(core.vmcoreinfoText);
    });
  },
);

test('a run that is interrupted before it begins leaves nothing', async () => {
  const controller = new AbortController();
  controller.abort(new SmeltError('INTERRUPTED', 'interrupted early'));
  const out = join(dir, 'early');
  mkdirSync(out);
  const error = await failureOf({ input, output: join(out, 'dump') }, controller.signal);
  expect(error).toMatchObject({ code: 'INTERRUPTED', message: 'interrupted early' });
  expect(readdirSync(out)).toEqual([]);
});

test('an abort without a reason of smelt’s own is an interruption too', async () => {
  const controller = new AbortController();
  controller.abort();
  const error = await failureOf({ input, output: join(dir, 'plain') }, controller.signal);
  expect(error).toMatchObject({ code: 'INTERRUPTED', exitCode: 1 });
});

test('a run that is interrupted while a flattened file is looked through does not look through the rest', async () => {
  // A hole of records without bytes, more than a file may have: whoever looks at them all is told so.
  const flattened = join(dir, 'flattened');
  writeFileSync(flattened, encodeFlattened([], { endMark: false }));
  truncateSync(flattened, 4096 + 16 * 2 ** 25);
  const controller = new AbortController();
  setTimeout(() => controller.abort(new SmeltError('INTERRUPTED', 'interrupted by a test')), 50);
  const error = await failureOf({ input: flattened, output: join(dir, 'unread') }, controller.signal);
  expect(error).toMatchObject({ code: 'INTERRUPTED', message: 'interrupted by a test' });
});
