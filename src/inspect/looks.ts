/** All that looks into a dump: what the command line loads when there is something to look at. */

export { diff } from './diff.ts';
export { read } from './read.ts';
export { symbols } from './symbols.ts';
export { verify } from './verify.ts';
export { vtop } from './vtop.ts';
