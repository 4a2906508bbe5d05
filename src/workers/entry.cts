/**
 * What piscina loads in a worker thread. It tries require() first and swallows what that throws, so that an ES module
 * which fails to load would be reported as something else; this one cannot fail, and what the import throws is told.
 */

import type { Outcome, Task } from './worker.ts' with { 'resolution-mode': 'import' };

async function work(task: Task): Promise<Outcome> {
  const worker = await import('./worker.ts');
  return worker.work(task);
}

module.exports = { work };
