/** Rows of cells below each other: numbers to the right, names to the left. */

export type Align = 'left' | 'right';

const GAP = '  ';

/** Each line begins with two blanks; cells that are missing at a row's end are left out. */
export function columns(align: readonly Align[], rows: readonly (readonly string[])[]): string[] {
  const widths = align.map((_, column) =>
    rows.reduce((width, row) => Math.max(width, (row[column] ?? '').length), 0),
  );
  return rows.map((row) =>
    `${GAP}${row
      .map((cell, column) =>
        align[column] === 'right' ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
      )
      .join(GAP)}`.trimEnd(),
  );
}
