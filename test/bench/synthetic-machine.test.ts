/** Where things are in a synthetic machine, at every size. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SECTION_BYTES, SECTION_MAP_BYTES, SyntheticMachine } from '../../src/bench/synthetic-machine.ts';
import { SECTION_PAGES } from '../../src/bench/synthetic-pages.ts';

const LARGEST = 2 ** 44;
const sizes = fc
  .integer({ min: 8, max: LARGEST / SECTION_BYTES })
  .map((sections) => sections * SECTION_BYTES);

it('has its sections in RAM, in order, and as much of it as was asked for but for less than 1 MiB', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), (ramBytes, some) => {
      const machine = new SyntheticMachine(ramBytes);
      const ram = machine.allRam();
      const pages = ram.reduce((sum, { pfn, end }) => sum + end - pfn, 0);
      expect(ramBytes - pages * 4096).toBeGreaterThan(0);
      expect(ramBytes - pages * 4096).toBeLessThan(2 ** 20);
      for (const [i, { pfn }] of ram.entries()) expect(pfn).toBeGreaterThan(i === 0 ? 0 : ram[i - 1].end);
      const index = some % machine.sections;
      const pfn = machine.pfnOf(index);
      if (index > 0) {
        expect(machine.pfnOf(index - 1)).toBeLessThan(pfn);
        expect(ram.some((range) => range.pfn <= pfn && pfn + SECTION_PAGES <= range.end)).toBe(true);
      }
      expect(machine.nodeOf(index)).toBeLessThan(machine.nodes);
      expect(machine.nodes).toBe(ramBytes < 8 * 2 ** 30 ? 1 : 2);
    }),
  );
});

it('has struct pages for the first 64 GiB, in RAM below 4 GiB, that also serve for all sections beyond', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), (ramBytes, some) => {
      const machine = new SyntheticMachine(ramBytes);
      expect(machine.ownSections * SECTION_BYTES).toBe(Math.min(ramBytes, 64 * 2 ** 30));
      const index = some % machine.sections;
      const map = machine.mapOf(index);
      expect(map).toBeLessThan(machine.ownSections);
      if (index < machine.ownSections) expect(map).toBe(index);
      else expect(machine.pfnOf(map) * 4096).toBeGreaterThanOrEqual(4 * 2 ** 30);
      const paddr = machine.mapPaddr(index);
      expect(paddr % SECTION_MAP_BYTES).toBe(0);
      expect(paddr).toBeGreaterThan(2 ** 29);
      expect(paddr + SECTION_MAP_BYTES).toBeLessThanOrEqual(Math.min(ramBytes, 3 * 2 ** 30));
      expect(paddr).toBe(machine.mapPaddr(0) + map * SECTION_MAP_BYTES);
    }),
  );
});
