/** The real dumps: those that are unpacked on this machine, and the sample. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const FIXTURES = process.env.SMELT_FIXTURES_UNPACKED ?? join(homedir(), '.cache/smelt/fixtures');
const NAMES = ['5.10-4level', '6.1-4level', '6.1-proc-vmcore', '6.12-la57', '7.3-la57'];

export interface RealDump {
  readonly name: string;
  readonly path: string;
  readonly missing: boolean;
  /** Made by the kdump kernel: it has no notes of a hypervisor, and not all of RAM. */
  readonly procVmcore: boolean;
}

export const REAL_DUMPS: readonly RealDump[] = [
  ...NAMES.map((name) => ({ name, path: join(FIXTURES, `x86_64-${name}.elf`) })),
  { name: '6.1-small', path: join(import.meta.dirname, '../../samples/x86_64-6.1-small.kdump') },
].map(({ name, path }) => ({
  name,
  path,
  missing: !existsSync(path),
  procVmcore: name.endsWith('proc-vmcore'),
}));
