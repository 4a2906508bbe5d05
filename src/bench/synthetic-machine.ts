/** Where things are in a synthetic machine: RAM and its nodes, sections, struct pages, the kernel image. */

import { SECTION_PAGES, StructPage } from './synthetic-pages.ts';

export const PAGE_BYTES = 4096;
export const SECTION_BYTES = SECTION_PAGES * PAGE_BYTES;
export const SECTION_MAP_BYTES = SECTION_PAGES * StructPage.size;

/** A PC has 3 GiB of RAM below its devices and the rest from 4 GiB on. */
const LOW_SECTIONS = 24;
const FIRST_HIGH_SECTION = 32;
/** From 8 GiB on there are two nodes, with 2 GiB of nothing between them. */
const TWO_NODES_FROM = 64;
const NODE_GAP = 16;
/** 64 GiB of RAM have struct pages of their own. */
const OWN_SECTIONS = 512;
/** Page 0, and what is between the BIOS's data and 1 MiB, are no RAM. */
const BIOS_PFN = 0x9f;
const MIB_PFN = 0x100;
/** The kernel image, where it is without KASLR: 12 MiB of text, 8 MiB of read-only data, 12 MiB of data. */
export const IMAGE_PFN = 0x1000;
export const IMAGE_RODATA_PFN = IMAGE_PFN + 3072;
export const IMAGE_DATA_PFN = IMAGE_RODATA_PFN + 2048;
export const IMAGE_END = IMAGE_DATA_PFN + 3072;

/** Page frames `pfn` to `end`. */
export interface PfnRange {
  readonly pfn: number;
  readonly end: number;
}

/** Sections are told by their index among those that are there: a section is 128 MiB. */
export class SyntheticMachine {
  readonly sections: number;
  /** Those with struct pages of their own come first. */
  readonly ownSections: number;
  readonly nodes: number;
  private readonly low: number;
  private readonly firstOfNode1: number;

  constructor(ramBytes: number) {
    this.sections = ramBytes / SECTION_BYTES;
    this.ownSections = Math.min(this.sections, OWN_SECTIONS);
    this.low = Math.min(this.sections, LOW_SECTIONS);
    this.nodes = this.sections < TWO_NODES_FROM ? 1 : 2;
    this.firstOfNode1 = this.nodes === 1 ? this.sections : Math.ceil((this.sections + this.low) / 2);
  }

  nodeOf(index: number): number {
    return index < this.firstOfNode1 ? 0 : 1;
  }

  pfnOf(index: number): number {
    const above = index < this.low ? 0 : FIRST_HIGH_SECTION - this.low;
    return (index + above + this.nodeOf(index) * NODE_GAP) * SECTION_PAGES;
  }

  /** The section whose struct pages serve: its own, or one above 4 GiB. */
  mapOf(index: number): number {
    const { low, ownSections } = this;
    return index < ownSections ? index : low + ((index - ownSections) % (ownSections - low));
  }

  /** Struct pages are at the end of memory below 4 GiB. */
  mapPaddr(index: number): number {
    return this.low * SECTION_BYTES - (this.ownSections - this.mapOf(index)) * SECTION_MAP_BYTES;
  }

  /** RAM of a node, in order. */
  ram(node: number): PfnRange[] {
    const section = (index: number) => ({ pfn: this.pfnOf(index), end: this.pfnOf(index) + SECTION_PAGES });
    const between = (first: number, last: number): PfnRange[] =>
      first > last ? [] : [{ pfn: section(first).pfn, end: section(last).end }];
    if (node === 1) return between(this.firstOfNode1, this.sections - 1);
    return [
      { pfn: 1, end: BIOS_PFN },
      { pfn: MIB_PFN, end: this.low * SECTION_PAGES },
      ...between(this.low, this.firstOfNode1 - 1),
    ];
  }

  /** RAM of all nodes, in order. */
  allRam(): PfnRange[] {
    return Array.from({ length: this.nodes }, (_, node) => this.ram(node)).flat();
  }

  /** Page frames with a fixed use, in order; `kernelPfn`: where the kernel's data before the struct pages begin. */
  fixed(kernelPfn: number): (PfnRange & { readonly isRam: boolean })[] {
    return [
      { pfn: 0, end: 1, isRam: false },
      { pfn: 1, end: BIOS_PFN, isRam: true },
      { pfn: BIOS_PFN, end: MIB_PFN, isRam: false },
      { pfn: IMAGE_PFN, end: IMAGE_END, isRam: true },
      { pfn: kernelPfn, end: this.low * SECTION_PAGES, isRam: true },
    ];
  }
}
