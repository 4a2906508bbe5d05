import fc from 'fast-check';
/** The rules by which struct pages are read, of every kernel, from the VMCOREINFO that this kernel writes. */
import { describe, expect, it } from 'vitest';
import { pageRules, type TypeRule, typeRule } from '../../src/kernel/page-rules.ts';
import { Vmcoreinfo } from '../../src/kernel/vmcoreinfo.ts';
import { type KernelName, kernelNames, kernelProfile } from '../build/kernel-profile.ts';
import { vmcoreinfoText } from '../build/vmcoreinfo-text.ts';

function infoOf(kernel: KernelName, overrides: Record<string, string | undefined> = {}): Vmcoreinfo {
  const text = vmcoreinfoText(
    {
      kernel: kernelProfile(kernel),
      release: `${kernel}.0`,
      memoryModel: 'vmemmap',
      symbol: () => 0xffffffff81000000n,
      memSectionVaddr: 0n,
      memSectionLength: 1,
      maxPhysmemBits: 46,
      physBase: 0n,
      kernelOffset: 0n,
      levels: 4,
      smeMask: 0n,
      vmemmapBase: 0n,
      vmallocStart: 0n,
    },
    overrides,
  );
  return new Vmcoreinfo(text);
}
const rulesOf = (kernel: KernelName, overrides: Record<string, string | undefined> = {}) =>
  pageRules(infoOf(kernel, overrides));
const matches = (rule: TypeRule | undefined, word: number) =>
  rule !== undefined && ((word | 0) & rule.mask) === rule.value;

describe.each(kernelNames.filter((k) => k !== '4.14'))('the rules of Linux %s', (kernel) => {
  const { page, bits, types, compound } = kernelProfile(kernel);
  const rules = rulesOf(kernel)!;
  const flag = (n: number | undefined) => (n === undefined ? 0 : 1 << n);

  it('have the places and flags of this kernel, and lack nothing', () => {
    expect(rules).toMatchObject({
      sizeBytes: 64,
      flags: 0,
      mapping: page.mapping,
      mapcount: page._mapcount,
      private: page.private,
      compoundHead: page.compound_head,
      PG_lru: flag(bits.lru),
      PG_private: flag(bits.private),
      PG_swapcache: flag(bits.swapcache),
      PG_swapbacked: flag(bits.swapbacked),
      PG_slab: flag(bits.slab),
      PG_hwpoison: flag(bits.hwpoison),
      PG_reserved: flag(bits.reserved),
      PG_head: flag(bits.head),
      buddyOrders: 11,
      missing: [],
    });
  });

  it('match each page type in its own word and in no other’s, nor in a mapped or an unmapped page', () => {
    const named = {
      buddy: rules.buddy,
      offline: rules.offline,
      slab: rules.slab,
      unaccepted: rules.unaccepted,
    };
    for (const [name, rule] of Object.entries(named)) {
      const value = types[name as keyof typeof types];
      expect(rule === undefined).toBe(value === undefined);
      if (value === undefined) continue;
      expect(matches(rule, value)).toBe(true);
      for (const [other, word] of Object.entries(types)) expect(matches(rule, word)).toBe(other === name);
      for (const mapcount of [-1, 0, 1, 1000, 0x7fffffff]) expect(matches(rule, mapcount)).toBe(false);
    }
  });

  it('find a compound page’s order and its being hugetlb where this kernel has them', () => {
    if (compound.in === 'fields') {
      expect(rules.compoundOrder).toBe(compound.order);
      expect(rules.hugetlb).toEqual({ by: 'second byte', offset: compound.dtor, value: 2 });
    } else {
      expect(rules.compoundOrder).toBe(0);
      const byType = { by: 'type', rule: typeRule(BigInt(types.hugetlb ?? 0)) };
      expect(rules.hugetlb).toEqual(
        bits.hugetlb === undefined ? byType : { by: 'second flags', mask: 1 << bits.hugetlb },
      );
    }
  });
});

describe('a page type', () => {
  it('is the top byte alone where the low 24 bits of its value are 0 (v6.12): those may be the owner’s', () => {
    const rule = typeRule(BigInt(0xf0 << 24));
    for (const low of [0, 1, 0x123456, 0xffffff]) expect(matches(rule, (0xf0 << 24) | low)).toBe(true);
    expect(matches(rule, 0xf1 << 24)).toBe(false);
  });

  it('is one cleared bit before: other types may be set beside it, the count of a mapped page is none', () => {
    const rule = typeRule(-129n);
    expect(matches(rule, ~0x80 & ~0x100)).toBe(true);
    expect(matches(rule, ~0x100)).toBe(false);
    expect(matches(rule, 0x7f)).toBe(false);
  });

  it('is one cleared bit of the top byte in v6.11, where the base is another', () => {
    const rule = typeRule(BigInt(~0x40000000));
    expect(matches(rule, ~0x40000000)).toBe(true);
    expect(matches(rule, ~0x40000000 & ~0xffff)).toBe(true);
    expect(matches(rule, ~0x20000000)).toBe(false);
  });

  it('matches no count of an ordinary page, whatever value is exported', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 31n), max: 2n ** 32n }),
        fc.integer({ min: -1, max: 1000 }),
        (value, count) => {
          const rule = typeRule(value);
          expect(rule === undefined || !matches(rule, count)).toBe(true);
        },
      ),
      {
        numRuns: 20_000,
        examples: [
          [BigInt(~0x40000000), -1],
          [BigInt(~0x20000000), -1],
          [-129n, -1],
        ],
      },
    );
  });

  it('is read the same when it is printed unsigned', () => {
    expect(typeRule(0xf0000000n)).toEqual(typeRule(BigInt.asIntN(32, 0xf0000000n)));
  });

  it.each([0n, 1n, -1n, 5n, 0x7f000000n])(
    'cannot be %i, which is the count of an ordinary page: that would drop memory in use',
    (value) => {
      expect(typeRule(value)).toBeUndefined();
    },
  );
});

describe('rules from a VMCOREINFO that lacks keys', () => {
  it.each([
    'NUMBER(PG_lru)',
    'NUMBER(PG_private)',
    'NUMBER(PG_swapcache)',
    'NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)',
    'OFFSET(page.private)',
    'OFFSET(page.compound_head)',
    'LENGTH(zone.free_area)',
  ])('report that %s is missing', (key) => {
    expect(rulesOf('6.1', { [key]: undefined })?.missing).toEqual([key]);
  });

  it.each(['SIZE(page)', 'OFFSET(page.flags)', 'OFFSET(page.mapping)', 'OFFSET(page._mapcount)'])(
    'are none where %s is missing',
    (key) => {
      expect(rulesOf('6.1', { [key]: undefined })).toBeUndefined();
    },
  );

  it.each(['OFFSET(page.private)', 'LENGTH(zone.free_area)', 'NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)'])(
    'do not know free pages without %s',
    (key) => {
      expect(rulesOf('6.1', { [key]: undefined })?.buddy).toBeUndefined();
    },
  );

  it('report a buddy value that cannot be, as if it were missing', () => {
    const rules = rulesOf('6.1', { 'NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)': '0' })!;
    expect(rules.buddy).toBeUndefined();
    expect(rules.missing).toEqual(['NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)']);
  });

  it('do without what a kernel may be configured without', () => {
    const rules = rulesOf('6.1', {
      'NUMBER(PG_hwpoison)': undefined,
      'NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)': undefined,
      'NUMBER(HUGETLB_PAGE_DTOR)': undefined,
    })!;
    expect(rules).toMatchObject({ PG_hwpoison: 0, offline: undefined, hugetlb: undefined, missing: [] });
  });

  it('never take bit 7 for slab where PG_slab is not exported', () => {
    expect(rulesOf('6.12')!.PG_slab).toBe(0);
  });
});

describe('rules from a VMCOREINFO with values that make no sense', () => {
  it.each([
    ['SIZE(page)', '0'],
    ['SIZE(page)', '31'],
    ['SIZE(page)', '60'],
    ['SIZE(page)', '4096'],
    ['SIZE(page)', '-64'],
    ['OFFSET(page.flags)', '64'],
    ['OFFSET(page.flags)', '61'],
    ['OFFSET(page.mapping)', '2147483647'],
    ['OFFSET(page._mapcount)', '50'],
    ['OFFSET(page.private)', '1000'],
    ['OFFSET(page.compound_head)', '3'],
  ])('are none: %s=%s', (key, value) => {
    expect(rulesOf('6.1', { [key]: value })).toBeUndefined();
  });

  it('have no flag for a bit that is not in the low word', () => {
    for (const value of ['-1', '32', '64', '4294967296', 'x']) {
      expect(rulesOf('6.1', { 'NUMBER(PG_hwpoison)': value })!.PG_hwpoison).toBe(0);
      expect(rulesOf('6.1', { 'NUMBER(PG_lru)': value })!.missing).toEqual(['NUMBER(PG_lru)']);
    }
    expect(rulesOf('6.1', { 'NUMBER(PG_hwpoison)': '31' })!.PG_hwpoison).toBe(1 << 31);
  });

  it('do not read a compound page’s order outside of its struct page', () => {
    expect(rulesOf('6.1', { 'OFFSET(page.compound_order)': '64' })!.compoundOrder).toBeUndefined();
    expect(rulesOf('6.4', { 'OFFSET(folio._folio_order)': '63' })!.compoundOrder).toBeUndefined();
    expect(rulesOf('6.4', { 'OFFSET(folio._folio_order)': '128' })!.compoundOrder).toBeUndefined();
  });
});
