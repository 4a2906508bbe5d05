/** Files of shell assignments, read without a shell and compared with what a shell makes of them. */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it, type TestContext } from 'vitest';
import { parseAssignments, type Shell } from '../../../src/sme/live/shell.ts';
import { tempFiles } from '../../read/temp-files.ts';

const files = tempFiles();
const SHELLS = { sh: ['/bin/sh'], bash: ['/bin/bash', '--norc'] } as const;
const valuesOf = (text: string, shell: Shell = 'bash') =>
  Object.fromEntries(parseAssignments(text, shell).values);

describe('assignments', () => {
  it('are read with their quotes, comments and lines that go on', () => {
    expect(
      valuesOf(`# A comment
KDUMP_COMMANDLINE=""
A="one two" # behind it
B='single "quotes" $A'
  C=bare#no-comment; D=\\$plain
E="first \\
second"
F=a"b c"'d'
G="say \\"hi\\" \\$A \\x"
H=
`),
    ).toEqual({
      KDUMP_COMMANDLINE: '',
      A: 'one two',
      B: 'single "quotes" $A',
      C: 'bare#no-comment',
      D: '$plain',
      E: 'first second',
      F: 'ab cd',
      G: 'say "hi" $A \\x',
      H: '',
    });
  });

  it('may use what was set above them; the last one counts', () => {
    expect(valuesOf(`A=1\nB="$A-\${A}-$C"\nA=2\nA+=" 3"\n`)).toEqual({ A: '2 3', B: '1-1-' });
  });

  it.each([
    ['A=1\nB=$(date)\n', 2],
    ['A=`id`\n', 1],
    ['A=1\n\nif true; then\nA=2\nfi\n', 3],
    ['. /etc/other\n', 1],
    ['export A=1\n', 1],
    ['A=1;;\n', 1],
    ['A="never closed\n', 1],
    ['A=1 echo hi\n', 1],
    [`A=\${B:-default}\n`, 1],
    ['A=1 && B=2\n', 1],
    ['A=1\\\n2\nB=1 | 2\n', 3],
  ])('are all that a file may have: %j', (text, line) => {
    expect(parseAssignments(text, 'bash').trouble).toBe(`line ${line} is no plain assignment`);
  });

  it('do not have += in sh', () => {
    expect(parseAssignments('A=1\nA+=2\n', 'sh').trouble).toMatch(/line 2/);
  });

  it('cannot grow without end', () => {
    const text = `A=aaaaaaaaaaaaaaaa\n${'A="$A$A"\n'.repeat(64)}`;
    expect(parseAssignments(text, 'bash').trouble).toBeDefined();
  });

  const piece = fc.constantFrom(
    ...['A=', 'B=', 'A+=', 'a', 'b c', ' ', '\n', ';', '#', '"', "'", '\\', '\\\n', '$A', `\${B}`, '$', '='],
  );
  it.for(['sh', 'bash'] as const)('are what %s makes of them', (shell, { skip }: TestContext) => {
    skip(!existsSync(SHELLS[shell][0]), `needs ${SHELLS[shell][0]}`);
    const file = files.path();
    let compared = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = `${pieces.join('')}\n`;
        const { values, trouble } = parseAssignments(text, shell);
        // What is more than assignments is not given to a shell.
        if (trouble !== undefined || values.size === 0) return;
        compared++;
        writeFileSync(file, text);
        const script = '. "$0"; printf "%s\\0%s" "$A" "$B"';
        const said = execFileSync(SHELLS[shell][0], [...SHELLS[shell].slice(1), '-c', script, file], {
          env: {},
          encoding: 'utf8',
        });
        expect(said.split('\0')).toEqual([values.get('A') ?? '', values.get('B') ?? '']);
      }),
      { numRuns: 1000 },
    );
    expect(compared).toBeGreaterThan(10);
  });
});
