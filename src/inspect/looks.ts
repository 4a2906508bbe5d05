/** All that looks into a dump: what the command line loads when there is something to look at. */

export { bt } from './bt.ts';
export { diff } from './diff.ts';
export { dmesg } from './dmesg.ts';
export { info } from './info/info.ts';
export { map } from './map.ts';
export { mods } from './mods.ts';
export { pages } from './pages.ts';
export { ps } from './ps.ts';
export { read } from './read.ts';
export { symbols } from './symbols.ts';
export { verify } from './verify.ts';
export { vtop } from './vtop.ts';
