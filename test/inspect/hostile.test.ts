/** Tasks, stacks and modules of a real dump some of whose memory is something else: nothing is thrown, and there is an end to it. */
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { viewOf, withKernel } from '../../src/inspect/looking.ts';
import { withUsers } from '../../src/kernel/modules/module-list.ts';
import { listTasks } from '../../src/kernel/tasks/task-list.ts';
import { OrcTables } from '../../src/kernel/unwind/orc.ts';
import { notedByCpus, panicCpu } from '../../src/kernel/unwind/starts.ts';
import { stackOfTask } from '../../src/kernel/unwind/task-stack.ts';
import type { KernelView } from '../../src/kernel/view/view.ts';
import { parseNotes } from '../../src/read/notes.ts';

const SAMPLE = fileURLToPath(new URL('../../samples/x86_64-6.1-small.kdump', import.meta.url));
const REQUEST = { input: SAMPLE, threads: 0, mmap: false, smeMask: undefined, vmcoreinfoFile: undefined };
const NOBODY = { onInput: () => {}, onProgress: () => {}, onWarning: () => {} };

async function everything(view: KernelView, notes: Uint8Array): Promise<number> {
  const list = await listTasks(view, async () => {});
  const { modules = [] } = view.modules ?? {};
  for (const module of modules.slice(0, 3)) Array.from(view.moduleSymbols.of(module));
  await withUsers(view, modules, async () => {});
  if (list === undefined) return modules.length;
  panicCpu(view, list.cpus);
  const tables = OrcTables.of(view);
  const noted = notedByCpus(view, list.cpus, parseNotes(notes));
  let frames = 0;
  for (const task of list.tasks.slice(0, 200))
    frames += stackOfTask(view, tables, list.cpus, task, noted.get(task.cpu)?.registers).frames.length;
  return frames;
}

it('is read whatever lies in one page of thirty that tasks, stacks, modules and tables are in', async () => {
  await withKernel(REQUEST, NOBODY, new AbortController().signal, async (looking) => {
    const { reader, file } = looking;
    const whole = await everything(looking.view!, file.notes);
    expect(whole).toBeGreaterThan(200);
    const hostile = fc.record({
      seed: fc.nat(),
      word: fc.constantFrom('zeros', 'ones', 'itself', 'shifted', 'page gone'),
    });
    await fc.assert(
      fc.asyncProperty(hostile, async ({ seed, word }) => {
        // The page tables stay: without them there is nothing to read at all.
        const spoilt = Object.assign(Object.create(reader), {
          read: (paddr: number, into: Uint8Array) => {
            if (!reader.read(paddr, into)) return false;
            const pfn = Math.floor(paddr / reader.pageSize);
            if ((Math.imul(pfn ^ seed, 0x9e3779b1) >>> 0) % 30 !== 0) return true;
            if (word === 'page gone') return false;
            if (word === 'shifted') into.copyWithin(8, 0);
            else if (word === 'itself')
              for (let i = 8; i + 8 <= into.length; i += 16) into.copyWithin(i, 0, 8);
            else into.fill(word === 'zeros' ? 0 : 0xff);
            return true;
          },
        });
        const view = viewOf({ ...looking, reader: spoilt })!;
        await everything(view, file.notes);
      }),
      { numRuns: 25 },
    );
    return { warnings: [] };
  });
});
