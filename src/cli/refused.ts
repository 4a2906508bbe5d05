/** Options of makedumpfile that smelt does not have, so that they are refused by name and not taken for typing errors. */

export interface Refused {
  /** As typed: "-F", "--split". */
  readonly name: string;
  /** What to do without it, where there is something. */
  readonly instead?: string;
}

const NO_CODE = 'smelt runs no foreign code on a dump; --config erases by rules.';

/** Source: makedumpfile(8) and print_info.c of 1.7.9. */
const REFUSED: readonly Refused[] = [
  { name: '-b', instead: 'Leave it out: smelt sizes its buffers itself.' },
  { name: '-e' },
  { name: '-E' },
  { name: '-F' },
  { name: '-L' },
  { name: '-R' },
  { name: '-X' },
  { name: '--check-params' },
  { name: '--config' },
  { name: '--cyclic-buffer', instead: 'Leave it out: smelt sizes its buffers itself.' },
  { name: '--diskset' },
  { name: '--eppic', instead: NO_CODE },
  { name: '--extension', instead: NO_CODE },
  { name: '--mem-usage' },
  { name: '--partial-dmesg', instead: 'Leave it out: --dump-dmesg writes the whole log.' },
  { name: '--reassemble' },
  { name: '--split' },
  { name: '--splitblock-size' },
  { name: '--vtop' },
  { name: '--work-dir', instead: 'Leave it out: smelt needs no working files.' },
  { name: '--xen-syms' },
  { name: '--xen-vmcoreinfo' },
  { name: '--xen_phys_start' },
];

export function findRefused(name: string): Refused | undefined {
  return REFUSED.find((refused) => refused.name === name);
}
