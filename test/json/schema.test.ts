/** What `--json` prints is what docs/json-schema.json says: the schema is made of the types, and real output is held against it. */
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { run, SMELT, scratch, smelt } from '../program/smelt.ts';
import { makeSchema } from './make-schema.ts';

const SAMPLE = join(import.meta.dirname, '../../samples/x86_64-6.1-sme.kdump');
const VMLINUX = join(homedir(), '.cache/smelt/dbg/6.1.0-56-amd64/vmlinux-6.1.0-56-amd64');
const dir = scratch();
const at = (name: string) => join(dir, name);

beforeAll(() => {
  for (const args of [
    ['-z', '-d', '31', SAMPLE, at('small')],
    ['--split', '-l', '-d', '31', SAMPLE, at('part1'), at('part2')],
  ])
    expect(smelt('--quiet', ...args).status).toBe(0);
  writeFileSync(at('cut'), readFileSync(at('small')));
  truncateSync(at('cut'), 8_000_000);
  writeFileSync(at('flat'), encodeFlattened(recordsOf(readFileSync(at('small')), 65536)));
});

/** Command lines for each report; what comes of them is real. */
const LINES: readonly (readonly [report: string, args: () => readonly string[]])[] = [
  ['dump', () => ['-z', '-d', '31', '--dedup', '--vtop', '0xffffffff81000000', SAMPLE, at('dump')]],
  ['dump', () => ['-z', '-d', '31', '--dry-run', at('part1'), at('part2'), at('dry')]],
  ['convert', () => ['convert', SAMPLE, at('lime'), '--to', 'lime']],
  ['dmesg', () => ['--dump-dmesg', SAMPLE, at('log')]],
  ['dmesg', () => ['dmesg', SAMPLE]],
  ['info', () => ['info', SAMPLE]],
  ['ps', () => ['ps', SAMPLE]],
  ['ps', () => ['ps', SAMPLE, '1', 'kthreadd']],
  ['bt', () => ['bt', '--all', SAMPLE]],
  ['mods', () => ['mods', SAMPLE]],
  ['pages', () => ['pages', SAMPLE]],
  ['map', () => ['map', SAMPLE]],
  ['mem-usage', () => ['--mem-usage', SAMPLE]],
  ['check-params', () => ['--check-params', '-l', SAMPLE, 'x']],
  ['reassemble', () => ['--reassemble', at('part1'), at('part2'), at('joined')]],
  ['salvage', () => ['salvage', at('cut'), at('saved')]],
  ['sme', () => ['sme', SAMPLE]],
  ['sme', () => ['sme', '--live']],
  ['luks', () => ['luks', 'status', dir]],
  ['bench', () => ['bench', '--rounds', '0', '--synthetic', '1G', at('synthetic')]],
  ['pages', () => ['pages', '--top', '3', SAMPLE]],
  ['map', () => ['map', SAMPLE, '-o', at('map.html')]],
  ['read', () => ['read', SAMPLE, 'linux_banner', '16']],
  ['read', () => ['read', '--words', SAMPLE, 'sys_call_table', '16']],
  ['vtop', () => ['vtop', SAMPLE, 'init_task']],
  ['symbols', () => ['symbols', SAMPLE, 'init_*']],
  ['symbols', () => ['symbols', SAMPLE, '0xffffffffb2a1aa44']],
  ['verify', () => ['verify', SAMPLE]],
  ['verify', () => ['verify', at('cut')]],
  ['diff', () => ['diff', SAMPLE, at('small')]],
];
/** What needs more than arguments. */
const APART = ['rearrange', 'vmcoreinfo'];

describe('docs/json-schema.json', () => {
  // After a change of a report: npx vitest run test/json -u
  test('is what the types of the reports say', async () => {
    const text = `${JSON.stringify(makeSchema(), null, 1)}\n`;
    await expect(text).toMatchFileSnapshot('../../docs/json-schema.json');
  });

  test('has a report of each command that is tried here', () => {
    const commands = (makeSchema().oneOf as { properties?: { command?: { const: string } } }[]).flatMap(
      ({ properties }) => properties?.command?.const ?? [],
    );
    expect([...new Set([...LINES.map(([report]) => report), ...APART])].sort()).toEqual(commands.sort());
  });
});

describe('the output of --json', () => {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: false });
  // Fields that no type has are a mistake here, though readers must not mind them.
  const closed = makeSchema(true);
  ajv.addSchema(closed, 'json');
  const reports = closed.oneOf as { properties?: { command?: { const: string } } }[];

  function check(stdout: string): { command?: string } {
    const printed = JSON.parse(stdout) as { command?: string };
    const index = reports.findIndex(({ properties }) => properties?.command?.const === printed.command);
    const isValid = ajv.validate({ $ref: `json#/oneOf/${index}` }, printed);
    expect(isValid ? [] : ajv.errors).toEqual([]);
    return printed;
  }

  test.each(LINES)('of %s is as the schema says', (report, args) => {
    const line = args();
    const { stdout, stderr } = smelt('--json', '--quiet', ...line);
    expect(stdout, stderr).not.toBe('');
    expect(check(stdout).command).toBe(report);
  });

  test('of -R is as the schema says', () => {
    const command = '"$0" "$1" --json --quiet -R "$2" < "$3"';
    const { stdout } = run(['bash', '-c', command, process.execPath, SMELT, at('ordered'), at('flat')]);
    expect(check(stdout).command).toBe('rearrange');
  });

  test.skipIf(!existsSync(VMLINUX))('of -g is as the schema says (needs the vmlinux of the fixtures)', () => {
    const { stdout } = smelt('--json', '--quiet', '-g', at('info'), '-x', VMLINUX);
    expect(check(stdout).command).toBe('vmcoreinfo');
  });

  test.each([
    [['read', SAMPLE, 'no_such_symbol']],
    [['verify', '/nonexistent']],
    [['diff', SAMPLE]],
    [['dump', '--no-such-option']],
  ])('of a failure is as the schema says: %s', (line) => {
    const { stdout, status } = smelt('--json', '--quiet', ...line);
    expect(status).toBe(1);
    expect(check(stdout)).toMatchObject({ error: { exitCode: 1 } });
  });

  test('that has a field of another type is refused by the schema, so that the tests above can fail', () => {
    const { stdout } = smelt('--json', '--quiet', 'verify', SAMPLE);
    expect(() => check(stdout.replace('"whole":true', '"whole":1'))).toThrow();
    expect(() => check(stdout.replace('"whole":true', '"hole":true'))).toThrow();
  });
});
