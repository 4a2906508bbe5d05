/** docs/makedumpfile.md: each option of makedumpfile is in its table, as the parser has it, with a test that is there. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { optionsOf } from '../../src/cli/options.ts';
import { findRefused } from '../../src/cli/refused.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const rows = readFileSync(`${project}/docs/makedumpfile.md`, 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => {
    const [, names, verdict, , tests] = line.split('|').map((cell) => cell.trim());
    const options = [...names.matchAll(/`(-{1,2}[a-zA-Z_-]+)/g)].map(([, name]) => name);
    return { names, options, verdict, tests: tests.split(', ') };
  });
const has = (name: string): boolean =>
  optionsOf('dump').some(({ long, short }) => name === `--${long}` || name === `-${short}`);

/** Source: makedumpfile(8) and print_info.c of 1.7.9. */
const ALL =
  '-c -l -p -z -d -E -F -R -x -i -g -f -L -D -X -e -b -h -v --split --splitblock-size --reassemble --num-threads --message-level --show-stats --dry-run --check-params --dump-dmesg --partial-dmesg --mem-usage --vtop --cyclic-buffer --non-cyclic --work-dir --non-mmap --config --eppic --extension --diskset --xen-syms --xen-vmcoreinfo --xen_phys_start --help';

describe('the table of makedumpfile’s options', () => {
  test('has each of them', () => {
    const named = rows.flatMap(({ options }) => options);
    expect(ALL.split(' ').filter((name) => !named.includes(name))).toEqual([]);
    expect(named.filter((name) => !ALL.split(' ').includes(name))).toEqual([]);
  });

  test.each(rows.filter(({ options }) => options.length > 0))('$names: $verdict', ({ options, verdict }) => {
    for (const name of options) {
      if (verdict === 'refused')
        expect({ name, why: findRefused(name)?.instead }).toEqual({ name, why: expect.stringMatching(/./) });
      else expect({ name, known: has(name) }).toEqual({ name, known: true });
    }
  });

  test('names tests that are there', () => {
    const missing = rows.flatMap(({ tests }) => tests).filter((path) => !existsSync(`${project}/${path}`));
    expect(missing).toEqual([]);
  });
});
