/** What a vmlinux has in place of what a dump lacks: by the compiler's own truth. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { archByName } from '../../../src/arch/architectures.ts';
import { Vmcoreinfo } from '../../../src/kernel/vmcoreinfo.ts';
import { type Aids, aidsOf } from '../../../src/kernel/vmlinux/aids.ts';
import { vmcoreinfoOf } from '../../../src/kernel/vmlinux/vmlinux.ts';
import { buildVmlinux, noCompiler } from '../../build/vmlinux.ts';

const dir = mkdtempSync(join(tmpdir(), 'smelt-test-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const look = async () => {};
const MOVED_BY = 0x12e00000n;

describe.skipIf(noCompiler !== undefined)(`a vmlinux${noCompiler ? ` (${noCompiler})` : ''}`, () => {
  async function withAids(work: (aids: Aids, linked: Vmcoreinfo) => void): Promise<void> {
    const path = buildVmlinux(join(dir, 'vmlinux'));
    const linked = new Vmcoreinfo(await vmcoreinfoOf(path, look));
    const stext = linked.symbol('_stext')! + MOVED_BY;
    const aids = await aidsOf(
      path,
      new Vmcoreinfo(`SYMBOL(_stext)=${stext.toString(16)}`),
      archByName('x86_64')!,
      look,
    );
    try {
      work(aids, linked);
    } finally {
      aids.close();
    }
  }

  it('gives symbols where KASLR put them in the dumped kernel', () =>
    withAids(({ symbols }, linked) => {
      const nodeData = linked.symbol('node_data')! + MOVED_BY;
      expect(symbols!.find('node_data')).toEqual([nodeData]);
      expect(symbols!.at(nodeData + 8n)).toMatchObject({ name: 'node_data', offset: 8 });
      expect(symbols!.find('nobody')).toEqual([]);
    }));

  it('gives sizes and places of members by DWARF where it has no BTF', () =>
    withAids(({ layouts }, linked) => {
      expect(layouts!.from).toContain('vmlinux');
      expect(layouts!.sizeOf('list_head')).toBe(linked.size('list_head'));
      expect(layouts!.sizeOf('pglist_data')).toBe(linked.size('pglist_data'));
      expect(layouts!.field('list_head', 'prev')).toMatchObject({
        byteOffset: 8,
        sizeBytes: 8,
        length: undefined,
      });
      const zones = layouts!.field('pglist_data', 'node_zones');
      expect(zones).toMatchObject({
        byteOffset: linked.offset('pglist_data.node_zones'),
        structName: 'zone',
      });
      expect(zones!.sizeBytes).toBe(zones!.length! * linked.size('zone')!);
      expect(layouts!.field('list_head', 'prev.next')).toBeUndefined();
      expect(layouts!.field('list_head', 'nobody')).toBeUndefined();
      expect(layouts!.sizeOf('nobody')).toBeUndefined();
    }));
});
