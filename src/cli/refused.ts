/** Options of makedumpfile that smelt does not have, so that they are refused by name and not taken for typing errors. */

export interface Refused {
  /** As typed: "-E", "--split". */
  readonly name: string;
  /** What to do without it, where there is something. */
  readonly instead?: string;
}

const NO_XEN = 'Dumps of Xen are not supported.';
const NO_CODE = 'smelt runs no foreign code on a dump; --config erases by rules.';

/** Source: makedumpfile(8) and print_info.c of 1.7.9. */
const REFUSED: readonly Refused[] = [
  { name: '-e', instead: 'It leaves out parts of the memory map that readers need.' },
  { name: '-X', instead: NO_XEN },
  {
    name: '--diskset',
    instead: 'Dumps by sadump are not supported: makedumpfile makes a kdump file of one.',
  },
  { name: '--eppic', instead: NO_CODE },
  { name: '--extension', instead: NO_CODE },
  { name: '--xen-syms', instead: NO_XEN },
  { name: '--xen-vmcoreinfo', instead: NO_XEN },
  { name: '--xen_phys_start', instead: NO_XEN },
];

/** With their dashes. */
export const REFUSED_NAMES: readonly string[] = REFUSED.map(({ name }) => name);

export function findRefused(name: string): Refused | undefined {
  return REFUSED.find((refused) => refused.name === name);
}
