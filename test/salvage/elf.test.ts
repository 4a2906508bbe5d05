/** ELF cores that were cut: whole pages alone. */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { planElfCore } from '../build/elf.ts';
import { encodeFlattened, recordsOf } from '../build/flattened.ts';
import { vmcoreinfoNote } from '../build/notes.ts';
import { pageContent, xorshift } from '../build/page-content.ts';
import { INCOMPLETE, parseKdump } from '../program/parse-kdump.ts';
import { at, compareWith, cuts, MANY, runSalvage, save, VMCOREINFO } from './broken-dumps.ts';

describe('an ELF core', () => {
  const loads = [
    { paddr: 0x1000, memsz: 300 * 4096 },
    // Ends inside a page, as QEMU's do.
    { paddr: 0x200000, memsz: 200 * 4096 + 100 },
    { paddr: 0x400000, memsz: 100 * 4096, filesz: 60 * 4096 },
  ];
  const notes = vmcoreinfoNote(VMCOREINFO);
  const plan = planElfCore({ notes, loads });
  const file = Buffer.alloc(plan.size);
  file.set(plan.headers);
  const original = new Map<number, Uint8Array>();
  for (const [i, { paddr, memsz, filesz = memsz }] of loads.entries()) {
    for (let done = 0; done < filesz; done += 4096) {
      const pfn = (paddr + done) / 4096;
      const page = Buffer.from(pageContent(pfn % 5 === 0 ? 'zero' : 'random', pfn));
      page.fill(0, Math.min(4096, filesz - done));
      page.copy(file, plan.offsets[i]! + done, 0, Math.min(4096, filesz - done));
      original.set(pfn, page);
    }
  }

  it('that is cut anywhere gives the pages before the cut, and none that is there in part', async () => {
    const borders = [0, 64, plan.noteOffset, plan.headers.length, ...plan.offsets, plan.size];
    for (const cut of cuts(borders, file.length, MANY, 3)) {
      const saved = await save(file.subarray(0, cut));
      if (saved === undefined) continue;
      const { wrong, right } = compareWith(saved.output, original);
      expect(wrong, `cut at ${cut}`).toEqual([]);
      let whole = 0;
      for (const [i, { memsz, filesz = memsz }] of loads.entries()) {
        for (let done = 0; done < filesz; done += 4096)
          if (plan.offsets[i]! + Math.min(filesz, done + 4096) <= cut) whole++;
      }
      expect(right, `cut at ${cut}`).toBe(whole);
      expect(saved.report.lostPages).toBe(original.size - whole);
    }
  });

  it.each([undefined, 'zlib', 'zstd'] as const)(
    'is compressed where that is asked for (%s)',
    async (codec) => {
      writeFileSync(at('core'), file.subarray(0, plan.offsets[1]! + 10_000));
      const report = await runSalvage({ input: at('core'), output: at('saved-core'), codec });
      expect(report).toMatchObject({ savedPages: 302, input: { vmcoreinfoFrom: 'note' } });
      expect(compareWith(at('saved-core'), original)).toEqual({ wrong: [], right: 302 });
    },
  );

  it('inside of a flattened stream has only the memory that its records have', async () => {
    const records = recordsOf(file, 10_000).filter((_, i) => i < 30 || i > 60);
    const saved = (await save(encodeFlattened(records, { endMark: false })))!;
    const { wrong, right } = compareWith(saved.output, original);
    expect(wrong).toEqual([]);
    expect(right).toBeGreaterThan(200);
    expect(saved.report.lostPages).toBe(original.size - right);
  });

  it('with changed bytes in its headers is salvaged or refused, and nothing else', async () => {
    const next = xorshift(8);
    for (let run = 0; run < 2 * MANY; run++) {
      const broken = Buffer.from(file);
      for (let n = 1 + (next() % 4); n > 0; n--) broken[next() % 400]! ^= 1 << (next() % 8);
      await save(broken);
    }
  });

  it('that says it is incomplete makes what is salvaged of it say so too', async () => {
    const incomplete = Buffer.from(file);
    // e_flags. Source: makedumpfile elf_info.h, DUMP_ELF_INCOMPLETE.
    incomplete.writeUInt32LE(1, 48);
    const saved = (await save(incomplete))!;
    expect(saved.report).toMatchObject({ lostPages: 0, output: { incomplete: true } });
    expect(saved.report.damage.join()).toContain('says of itself that it is incomplete');
    expect(parseKdump(saved.output).status & INCOMPLETE).toBe(INCOMPLETE);
    const whole = (await save(file))!;
    expect(whole.report.output.incomplete).toBe(false);
    expect(parseKdump(whole.output).status & INCOMPLETE).toBe(0);
  });
});
