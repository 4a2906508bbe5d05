import { describe, expect, test } from 'vitest';
import { jsonFailure, jsonReport } from '../../src/cli/json.ts';
import { SmeltError } from '../../src/errors.ts';
import { sampleInput, sampleReport } from './fake-host.ts';

describe('--json', () => {
  test('is one line with the whole report and exact numbers', () => {
    const report = sampleReport();
    const text = jsonReport('dump', report);
    expect(text.indexOf('\n')).toBe(text.length - 1);
    const verdict = { ...report.verdict, row: null, hint: null };
    expect(JSON.parse(text)).toEqual({
      smelt: 1,
      command: 'dump',
      report: {
        ...report,
        vtop: null,
        dedup: null,
        census: null,
        targetProtection: null,
        log: null,
        verdict,
      },
    });
  });

  test('has every field, null where nothing is known', () => {
    const report = sampleReport({
      input: sampleInput({ release: undefined, smeMask: undefined }),
      kernelFreePages: undefined,
    });
    const parsed = JSON.parse(jsonReport('dump', report));
    expect(parsed.report.kernelFreePages).toBeNull();
    expect(parsed.report.input.release).toBeNull();
    expect(parsed.report.input.smeMask).toBeNull();
  });

  test('has an error with its code, its words and the exit code', () => {
    const error = new SmeltError('WRONG_RELEASE', 'info is of Linux 5.4', { exitCode: 2 });
    expect(jsonFailure(error, ['be careful'])).toMatchInlineSnapshot(`
      "{"smelt":1,"error":{"code":"WRONG_RELEASE","message":"info is of Linux 5.4","hint":null,"exitCode":2},"warnings":["be careful"]}
      "
    `);
    expect(JSON.parse(jsonFailure(new SmeltError('USAGE', 'a', { hint: 'b' }), [])).error.hint).toBe('b');
  });
});
