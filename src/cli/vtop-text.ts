/** A page-table walk for people: an entry a line, as makedumpfile shows it, with its flags; columns as wide as they have to be. */

import type { Walk } from '../arch/walk.ts';
import { memory } from '../units.ts';
import { hang } from './text.ts';

const ADDRESS_WIDTH = 16;

export function walkText({ vaddr, steps, paddr, pageBytes, why }: Walk, width = 80): string[] {
  const hex = (value: bigint | number) => value.toString(16);
  const widest = (values: readonly (bigint | number)[]) =>
    Math.max(0, ...values.map((value) => hex(value).length));
  const placeWidth = widest(steps.map(({ entryPaddr }) => entryPaddr));
  const entryWidth = widest(steps.map(({ rawEntry }) => rawEntry));
  const rows = steps.flatMap(({ name, entryPaddr, rawEntry, flags, encrypted }) => {
    const meaning = [
      flags.join('|'),
      ...(encrypted === undefined ? [] : [encrypted ? 'encrypted' : 'shared']),
    ];
    const entry = `${hex(entryPaddr).padStart(placeWidth)} => ${hex(rawEntry).padStart(entryWidth)}`;
    const words = meaning.filter((word) => word !== '').join(', ');
    return hang(`  ${name} : ${entry}  `, words.split(' '), width).map((line) => line.trimEnd());
  });
  const physical =
    paddr === undefined
      ? `none: ${why}`
      : `${hex(paddr)}  ${pageBytes === undefined ? `in the kernel image, by phys_base: ${why}` : `in a page of ${memory(pageBytes)}`}`;
  return [
    `Translating virtual address ${hex(vaddr)} to physical address.`,
    ...rows,
    'VIRTUAL           PHYSICAL',
    `${hex(vaddr).padStart(ADDRESS_WIDTH)}  ${physical}`,
    '',
  ];
}
