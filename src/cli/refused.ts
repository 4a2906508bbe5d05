/** Options of makedumpfile that smelt does not have, so that they are refused by name and not taken for typing errors. */

export interface Refused {
  /** As typed: "-E", "--split". */
  readonly name: string;
  /** What to do without it, where there is something. */
  readonly instead?: string;
}

/** Source: makedumpfile(8) and print_info.c of 1.7.9. */
const REFUSED: readonly Refused[] = [
  { name: '-e' },
  { name: '-g' },
  { name: '-x', instead: 'smelt reads VMCOREINFO from the dump, or from a file given with -i.' },
  { name: '-X' },
  { name: '--config' },
  { name: '--diskset' },
  { name: '--eppic' },
  { name: '--extension' },
  { name: '--xen-syms' },
  { name: '--xen-vmcoreinfo' },
  { name: '--xen_phys_start' },
];

export function findRefused(name: string): Refused | undefined {
  return REFUSED.find((refused) => refused.name === name);
}
