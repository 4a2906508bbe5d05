/** `smelt bench` as it is started: that it measures, cleans up, and runs beside makedumpfile. No figure is judged. */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { JsonReport } from '../../src/cli/json.ts';
import { checkFailure, namesIn, SMELT, scratch, smelt, start, until } from './smelt.ts';

const SAMPLE = 'samples/x86_64-6.1-small.kdump';
const hasPeer = spawnSync('makedumpfile', ['-v']).status === 0;
/** Reads the sample and nothing of what makedumpfile cannot. */
const dir = scratch();

const report = (stdout: string) => (JSON.parse(stdout) as JsonReport<'bench'>).report;

describe('the built program', () => {
  test('measures each part of a dump, draws it, and leaves nothing behind', () => {
    const work = join(dir, 'parts.svg');
    const result = smelt(
      'bench',
      SAMPLE,
      '-l',
      '--rounds',
      '1',
      '--num-threads',
      '1',
      '--json',
      '--work-dir',
      dir,
      '--chart',
      work,
    );
    expect(result.stderr).not.toContain('smelt:');
    expect(result.status).toBe(0);
    const { parts, input, rounds } = report(result.stdout);
    expect({ format: input.format, rounds }).toEqual({ format: 'kdump-compressed', rounds: 1 });
    expect(parts!.codecs.length).toBeGreaterThan(8);
    for (const codec of parts!.codecs) {
      expect(codec.ratio).toBeGreaterThanOrEqual(1);
      expect(codec.compressBytesPerSecond.median).toBeGreaterThan(0);
    }
    expect(parts!.runs.map(({ sizeBytes }) => sizeBytes > 1e6)).not.toContain(false);
    expect(statSync(work).size).toBeGreaterThan(1000);
    expect(namesIn(dir)).toEqual(['parts.svg']);
  });

  test('is interrupted, and leaves nothing behind', async () => {
    const { child, ended } = start('bench', SAMPLE, '--work-dir', dir);
    await until(() => namesIn(dir).some((name) => name.startsWith('smelt-bench-')), 'the work directory');
    child.kill('SIGTERM');
    const { status, stderr } = await ended;
    expect(status).toBe(1);
    expect(stderr).toContain('smelt: interrupted by SIGTERM');
    expect(namesIn(dir).filter((name) => name.startsWith('smelt-bench-'))).toEqual([]);
  });

  test('says what is wrong with a dump, a directory and a peer', () => {
    const file = join(dir, 'nothing');
    writeFileSync(file, 'nothing');
    expect(checkFailure(smelt('bench', file))).toContain('is not a dump');
    expect(checkFailure(smelt('bench', SAMPLE, '--work-dir', join(dir, 'no')))).toContain(
      'cannot be worked in',
    );
    expect(checkFailure(smelt('bench', SAMPLE, '--peer', '/no/such'))).toContain('cannot be started');
    expect(checkFailure(smelt('bench', '--synthetic', '1G', file))).toContain('already exists');
    if (existsSync('/proc/vmcore'))
      expect(checkFailure(smelt('bench', '/proc/vmcore'))).toContain('not a file');
  });

  test('finds the number of threads at which a peer is quickest, and takes that', () => {
    // smelt itself, slow with any number of threads but one.
    const peer = join(dir, 'peer');
    const script = `#!/bin/sh
case "$*" in
  -v | --version) echo 'slow smelt, version 1.0'; exit ;;
  *'--num-threads 1 '*) ;;
  *) sleep 1 ;;
esac
exec '${process.execPath}' '${SMELT}' "$@"
`;
    writeFileSync(peer, script, { mode: 0o755 });
    const args = ['bench', SAMPLE, '--work-dir', dir, '--rounds', '1', '--num-threads', '2', '--dry-run'];
    const { status, stdout } = smelt(...args, '--peer', peer);
    expect(status).toBe(0);
    expect(stdout.replace(/\s+/g, ' ')).toContain('threads: smelt 2, peer 1, its best of none, 1 and 2');
    const asked = smelt(...args, '--peer', peer, '--peer-threads', '0', '--json');
    expect(report(asked.stdout).peer).toMatchObject({ peerThreads: 0, peerTrials: [{ threads: 0 }] });
    expect(report(asked.stdout).peer!.peerTrials[0]!.ms).toBeGreaterThan(1000);
  });

  test.skipIf(!hasPeer)('runs beside makedumpfile, where it is installed', () => {
    // A synthetic dump: it refuses what smelt writes of QEMU's, which the sample is.
    const result = smelt(
      'bench',
      '--synthetic',
      '1G',
      '--work-dir',
      dir,
      '--peer',
      'makedumpfile',
      '-c',
      '--rounds',
      '1',
      '--peer-threads',
      '0',
      '--json',
    );
    expect(result.stderr).not.toContain('smelt:');
    const { peer, parts, synthetic } = report(result.stdout);
    expect(parts ?? undefined).toBeUndefined();
    expect(synthetic!.ramBytes).toBe(2 ** 30);
    expect(peer!.version).toMatch(/version \d/);
    expect(peer!.pairs.length).toBe(1);
    expect(peer!.samePages).toMatchObject({ same: true, differentContents: 0 });
    expect(peer!.peer.phases.map(({ name }) => name)).toContain('Copying data');
    expect(namesIn(dir).filter((name) => name.startsWith('smelt-bench-'))).toEqual([]);
  });
});
