/** A page-table walk for people: an entry a line, as makedumpfile shows it, with its flags. */

import type { Walk } from '../arch/walk.ts';
import { memory } from '../units.ts';

const ADDRESS_WIDTH = 16;

export function walkText({ vaddr, steps, paddr, pageBytes, why }: Walk): string[] {
  const hex = (value: bigint | number) => value.toString(16);
  const rows = steps.map(({ name, entryPaddr, rawEntry, flags, encrypted }) => {
    const meaning = [
      flags.join('|'),
      ...(encrypted === undefined ? [] : [encrypted ? 'encrypted' : 'shared']),
    ];
    const entry = `${hex(entryPaddr).padStart(ADDRESS_WIDTH)} => ${hex(rawEntry).padStart(ADDRESS_WIDTH)}`;
    return `  ${name} : ${entry}  ${meaning.filter((word) => word !== '').join(', ')}`.trimEnd();
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
