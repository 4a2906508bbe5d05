/** Pages of a kdump-compressed input that go to the output as they are stored there: what is shared stays shared. */

import type { PageCodec } from '../codec/codec.ts';
import { openZeroTest, type ZeroTest } from '../native/zero-test.ts';
import { CompressionFlag } from '../read/kdump-layout.ts';
import { State, type StoredPages } from '../read/page-state.ts';
import type { PagePlacer } from '../write/page-placer.ts';
import type { CompressResult, Packer } from './compress-phase.ts';
import { SeenPages } from './seen-pages.ts';

/** Pages done at once. */
const PAGES = 64;
const STATES = Object.keys(State).length;

/** Pages of which the input has the bytes once: their descriptors say the same place. */
export class SharedPlaces extends SeenPages {
  /** The last `share` looked at another page, and what was found before is gone. */
  disturbed = false;
  private readonly stored: StoredPages;
  private readonly pageSize: number;
  /** Of what is packed anew. */
  private readonly newFlag: number | undefined;
  private place = 0;
  private size = 0;
  private flags = 0;
  private part = 0;

  constructor(
    stored: StoredPages,
    pageSize: number,
    newFlag: number | undefined,
    table: Int32Array,
    batchPages: number,
  ) {
    super(table, batchPages);
    this.stored = stored;
    this.pageSize = pageSize;
    this.newFlag = newFlag;
  }

  /** Gives the page found last a descriptor where its bytes are in the output, or wait to be. */
  share(placer: PagePlacer): boolean {
    const { place, size, flags, partNumber } = this.stored;
    this.place = place;
    this.size = size;
    this.flags = flags;
    this.part = partNumber;
    this.disturbed = false;
    // Any mixing will do: what is found is looked at.
    const upper = Math.floor(place / 2 ** 32) + partNumber * 0x1000;
    return this.find(Math.imul(place | 0, 0x9e3779b1) ^ Math.imul(upper, 0x85ebca6b), placer) > 0;
  }

  protected isSame(pfn: number): boolean {
    const { stored } = this;
    this.disturbed = true;
    return (
      stored.find(pfn) === State.here &&
      stored.place === this.place &&
      stored.size === this.size &&
      stored.flags === this.flags &&
      stored.partNumber === this.part
    );
  }

  protected flagsOf(size: number): number {
    if (this.newFlag === undefined) return this.flags;
    return size === this.pageSize ? 0 : this.newFlag;
  }
}

export class StoredPacker implements Packer {
  undecided: Uint8Array | undefined;
  windowPfn = 0;
  private readonly stored: StoredPages;
  private readonly pageSize: number;
  private readonly codec: PageCodec | undefined;
  /** Of a page that the codec made smaller. */
  private readonly flag: number;
  private readonly check: boolean;
  private readonly placer: PagePlacer;
  private readonly shares: SharedPlaces | undefined;
  private readonly isZero: ZeroTest;
  private readonly page: Buffer;
  private readonly states = new Array<number>(STATES).fill(0);
  /** Where the input has a page of zeros; most have one for all. */
  private zeroPlace = -1;
  private zeroPart = -1;
  private zeroPages = 0;
  private storedPages = 0;

  /** `codec`: packs them anew; undefined: they stay as they are. `check`: each is unpacked to see that it is whole. */
  constructor(
    stored: StoredPages,
    pageSize: number,
    codec: PageCodec | undefined,
    check: boolean,
    placer: PagePlacer,
    shares: SharedPlaces | undefined,
  ) {
    this.stored = stored;
    this.pageSize = pageSize;
    this.codec = codec;
    this.flag = codec === undefined ? 0 : CompressionFlag[codec.name];
    this.check = check || codec !== undefined;
    this.placer = placer;
    this.shares = shares;
    this.isZero = openZeroTest(pageSize);
    this.page = Buffer.alloc(pageSize);
  }

  result(): CompressResult {
    const { states, zeroPages, storedPages } = this;
    return {
      dataBytes: this.placer.dataBytes,
      storedPages,
      zeroPages,
      undecidedZeroPages: 0,
      missingPages: states.reduce((sum, n) => sum + n, 0) - states[State.here]!,
      cutPages: states[State.cut]!,
      states,
      dedup: undefined,
    };
  }

  pack(pfn: number, count: number): number {
    const { placer, states } = this;
    let i = 0;
    while (i < count && i < PAGES && !placer.isFull) {
      const state = this.packPage(pfn + i++);
      states[state]!++;
      if (state !== State.here) placer.addMissingPage();
    }
    return i;
  }

  private packPage(pfn: number): number {
    const { stored, placer, shares } = this;
    const state = stored.find(pfn);
    if (state !== State.here) return state;
    const { place, partNumber } = stored;
    if (stored.flags === 0 && place === this.zeroPlace && partNumber === this.zeroPart) {
      placer.addZeroPage();
      this.zeroPages++;
      return State.here;
    }
    if (shares?.share(placer)) return State.here;
    if (shares?.disturbed) stored.find(pfn);
    if (!stored.fetch()) return State.unreadable;
    const { data, at, size, flags } = stored;
    if (flags === 0 && data[at] === 0 && this.isZero(data, at)) {
      this.zeroPlace = place;
      this.zeroPart = partNumber;
      placer.addZeroPage();
      this.zeroPages++;
      return State.here;
    }
    if (this.check) {
      const unpacked = stored.unpack(this.page);
      if (unpacked !== State.here) return unpacked;
    }
    if (this.codec !== undefined) return this.packAnew(pfn, this.codec);
    shares?.waits(placer.count, pfn);
    data.copy(placer.data, placer.used, at, at + size);
    placer.add(size, flags);
    this.storedPages++;
    return State.here;
  }

  /** The page that was unpacked. */
  private packAnew(pfn: number, codec: PageCodec): number {
    const { page, placer, pageSize } = this;
    if (page[0] === 0 && this.isZero(page, 0)) {
      placer.addZeroPage();
      this.zeroPages++;
      return State.here;
    }
    this.shares?.waits(placer.count, pfn);
    const size = codec.compress(page, placer.data, 0, pageSize, placer.used);
    if (size > 0) placer.add(size, this.flag);
    else {
      page.copy(placer.data, placer.used);
      placer.add(pageSize, 0);
    }
    this.storedPages++;
    return State.here;
  }
}
