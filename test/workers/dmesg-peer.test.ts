/** The log of synthetic dumps beside makedumpfile's, byte for byte, whole and from the last clear on. */
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dumpDmesg } from '../../src/workers/dmesg.ts';
import type { DumpObserver } from '../../src/workers/report.ts';
import { makedumpfileMissing, peerDmesg } from '../build/makedumpfile-oracle.ts';
import { buildVmcore } from '../build/vmcore.ts';
import type { VmcoreOptions } from '../build/vmcore-options.ts';
import { scratch } from './run-dump.ts';

const core = join(scratch(), 'core');
const SILENT: DumpObserver = { onInput() {}, onProgress() {}, onWarning() {} };

async function smeltDmesg(partialDmesg: boolean): Promise<string> {
  let text = '';
  const request = {
    input: core,
    output: undefined,
    threads: 0,
    mmap: undefined,
    smeMask: undefined,
    vmcoreinfoFile: undefined,
    overwrite: false,
    requireEncryptedTarget: false,
    partialDmesg,
  };
  await dumpDmesg(request, SILENT, new AbortController().signal, async (piece) => {
    text += piece;
  });
  return text;
}

/** 1.7.2 does not tell who printed a message. */
const CALLER = /^(\[ *\d+\.\d+\]) \[ *[CT]\d+\]/gm;

const messages = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, i) => `message ${i} ${'.'.repeat((i * 37) % bytes)}`);

const why = makedumpfileMissing === undefined ? '' : ` (skipped: ${makedumpfileMissing})`;

describe.skipIf(why !== '')(`makedumpfile says the same of${why}`, () => {
  const ring = { dmesg: messages(60, 150) };
  const records = { dmesg: messages(400, 150) };
  const plain = { kernel: '4.14', plainLog: true, release: '2.6.32-smelt' } as const;
  test.each<[string, Omit<VmcoreOptions, 'path'>]>([
    ['a ring buffer', { kernel: '6.1', ...ring, clearedBefore: 33 }],
    ['one whose clear_seq is a plain number', { kernel: '5.10', ...ring, clearedBefore: 59 }],
    ['one that was never cleared', { kernel: '6.1', ...ring }],
    ['records', { kernel: '4.19', ...records, clearedBefore: 390 }],
    [
      'records of a kernel that cleared them at the newest',
      { kernel: '4.14', ...records, clearedBefore: 400 },
    ],
    ['records that were never cleared', { kernel: '4.14', dmesg: messages(20, 150) }],
    ['plain text', { ...plain, dmesg: messages(30, 90).map((line, i) => `<${i % 8}>[    1.0] ${line}`) }],
    ['plain text that begins again', { ...plain, dmesg: messages(700, 90) }],
  ])('%s', async (_, options) => {
    buildVmcore({ path: core, ...options });
    for (const partial of [false, true]) {
      const peer = peerDmesg(core, ...(partial ? ['--partial-dmesg'] : []));
      const text = await smeltDmesg(partial);
      expect(peer.match(CALLER) ? text : text.replaceAll(CALLER, '$1')).toBe(peer);
    }
  });
});
