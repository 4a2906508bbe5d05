/** Pages by whom they belong to, the largest owners only: memory is bounded whatever the struct pages say. */

/** Owners held; a prune leaves half of them. */
const MAX_OWNERS = 2 ** 15;

export interface OwnerTallyData {
  readonly owners: readonly (readonly [key: number, pages: number])[];
  /** Pages of owners that were forgotten, who may be among those held. */
  readonly forgotten: number;
}

export class OwnerTally {
  private readonly pages = new Map<number, number>();
  private forgotten = 0;

  add(key: number, pages: number): void {
    this.pages.set(key, (this.pages.get(key) ?? 0) + pages);
    if (this.pages.size > MAX_OWNERS) this.prune();
  }

  addAll({ owners, forgotten }: OwnerTallyData): void {
    this.forgotten += forgotten;
    for (const [key, pages] of owners) this.add(key, pages);
  }

  get data(): OwnerTallyData {
    return { owners: [...this.pages], forgotten: this.forgotten };
  }

  private prune(): void {
    const smallestFirst = [...this.pages].sort(([, a], [, b]) => a - b);
    for (const [key, pages] of smallestFirst.slice(0, MAX_OWNERS / 2)) {
      this.forgotten += pages;
      this.pages.delete(key);
    }
  }
}

/** The low 56 bits of a kernel pointer in eights: exact as a number. Undefined for what is no such pointer. */
export function pointerKey(low: number, high: number): number | undefined {
  if (high >>> 24 !== 0xff || (low & 7) !== 0) return undefined;
  return (high & 0xffffff) * 2 ** 29 + (low >>> 3);
}

export function pointerOf(key: number): bigint {
  return (0xffn << 56n) | (BigInt(key) << 3n);
}
