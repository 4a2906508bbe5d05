/** All that looks into a dump: what the command line loads when there is something to look at. */

export { map } from './map.ts';
export { pages } from './pages.ts';
export { read } from './read.ts';
export { symbols } from './symbols.ts';
export { vtop } from './vtop.ts';
