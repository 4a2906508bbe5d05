/** Tables: as many rows as a hostile dump has tasks. */
import { expect, test } from 'vitest';
import { columns } from '../../src/cli/columns.ts';

test('a table has as many rows as there are', () => {
  const rows = Array.from({ length: 300_000 }, (_, i) => [String(i), 'x']);
  const lines = columns(['right', 'left'], rows);
  expect([lines.length, lines[7], lines.at(-1)]).toEqual([300_000, `  ${'7'.padStart(6)}  x`, '  299999  x']);
});
