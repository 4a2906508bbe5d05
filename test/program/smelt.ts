/** Runs the built program, bin/smelt, and looks at what it leaves behind. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import type { JsonFailure, JsonReport } from '../../src/cli/json.ts';

export const SMELT = fileURLToPath(new URL('../../bin/smelt', import.meta.url));

export interface ProgramResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder for one test file, removed when it is done. */
export function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'smelt-program-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Waits for it to end. */
export function smelt(...args: readonly string[]): ProgramResult {
  return run([process.execPath, SMELT, ...args]);
}

/** The same behind a shell's preparation: `ulimit -f 100`. */
export function smeltAfter(preparation: string, ...args: readonly string[]): ProgramResult {
  return run(['bash', '-c', `${preparation}; exec "$@"`, 'bash', process.execPath, SMELT, ...args]);
}

export function run([command, ...args]: readonly string[]): ProgramResult {
  const { status, signal, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error) throw error;
  return { status, signal, stdout, stderr };
}

export const reportOf = ({ stdout }: ProgramResult): JsonReport['report'] =>
  (JSON.parse(stdout) as JsonReport).report;
export const failureOf = ({ stdout }: ProgramResult): JsonFailure => JSON.parse(stdout) as JsonFailure;

/** A failure as it has to look: exit code 1, sentences, no stack, nothing on stdout without --json. */
export function checkFailure(result: ProgramResult): string {
  const { status, signal, stderr, stdout } = result;
  if (status !== 1 || signal !== null) throw new Error(`exit ${status ?? signal}:\n${stderr}`);
  if (stdout !== '' && !stdout.startsWith('{')) throw new Error(`on stdout: ${stdout}`);
  if (/^ {4}at |Error:|mistake in smelt/m.test(stderr))
    throw new Error(`a stack, or a mistake of smelt:\n${stderr}`);
  const lines = stderr.split('\n');
  const from = lines.findIndex((line) => line.startsWith('smelt: '));
  if (from < 0) throw new Error(`no sentence:\n${stderr}`);
  return lines.slice(from).join(' ').replaceAll(/\s+/g, ' ').trim();
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<ProgramResult>;
}

/** Starts it and goes on. */
export function start(...args: readonly string[]): Running {
  const child = spawn(process.execPath, [SMELT, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = new Promise<ProgramResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return { child, ended };
}

/** Comes back as soon as `holds`; throws after `ms`. */
export async function until(holds: () => boolean, what: string, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Names in a folder, sorted. */
export const namesIn = (dir: string): string[] => readdirSync(dir).sort();
