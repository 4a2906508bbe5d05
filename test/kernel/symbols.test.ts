/** Which symbols are asked of the kernel's table, and when. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import * as kallsyms from '../../src/kernel/kallsyms.ts';
import { describeMachine } from '../../src/kernel/machine.ts';
import { kernelSymbols } from '../../src/kernel/symbols.ts';
import { tempFiles } from '../read/temp-files.ts';
import { openVmcore, x86_64 } from './opened.ts';

vi.mock('../../src/kernel/kallsyms.ts', { spy: true });
afterEach(() => {
  vi.mocked(kallsyms.findSymbols).mockReset();
});

const files = tempFiles();

describe('the kernel symbols', () => {
  it('are asked for all at once, and checked against those that VMCOREINFO gives', () => {
    const { info, walker, built } = openVmcore(files);
    const found = new Map([['_etext', 0xffffffff81800000n]]);
    vi.mocked(kallsyms.findSymbols).mockReset().mockReturnValue(found);
    expect(kernelSymbols(info, walker)).toBe(found);
    expect(kallsyms.findSymbols).toHaveBeenCalledOnce();
    const [read, location, known, names] = vi.mocked(kallsyms.findSymbols).mock.calls[0];
    expect(names).toEqual(
      expect.arrayContaining(['_etext', '__end_bss_decrypted', 'sev_status', 'runtime_data']),
    );
    expect(known).toContainEqual({ name: 'init_top_pgt', vaddr: built.tables.pgdVaddr });
    expect(location.kallsyms_names).toBe(built.tables.image.symbol('kallsyms_names'));
    // What is read is the kernel's virtual memory.
    expect(read(built.tables.image.symbol('node_online_map'), 1)?.[0]).toBe(1);
  });

  it('are not asked for where VMCOREINFO does not say where the table is', () => {
    const { info, walker } = openVmcore(files, { kernel: '5.10' });
    vi.mocked(kallsyms.findSymbols).mockReset();
    expect(kernelSymbols(info, walker)).toBeUndefined();
    expect(kallsyms.findSymbols).not.toHaveBeenCalled();
  });

  it('stand in what is said of the machine, also where its memory map cannot be read', () => {
    const found = new Map([['sev_status', 0xffffffff81800000n]]);
    const { info, memory } = openVmcore(files, { overrides: { 'SYMBOL(mem_section)': undefined } });
    vi.mocked(kallsyms.findSymbols).mockReset().mockReturnValue(found);
    const machine = describeMachine(x86_64, memory, info, 0n);
    expect(machine.memoryMap).toBeUndefined();
    expect(machine.symbols).toBe(found);
  });
});
