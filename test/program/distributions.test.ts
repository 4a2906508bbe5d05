/** How the kdump scripts of distributions call makedumpfile, word for word but for /proc/vmcore, and what they look at afterwards. */
import { mkdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { namesIn, type ProgramResult, run, SMELT, scratch, smelt } from './smelt.ts';

const dir = scratch();
const bin = join(dir, 'bin');
mkdirSync(bin);
symlinkSync(SMELT, join(bin, 'makedumpfile'));
const vmcore = fileURLToPath(new URL('../../samples/x86_64-6.1-small.kdump', import.meta.url));
const place = join(dir, 'crash');

beforeEach(() => {
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place);
});

/** In `place`; `makedumpfile` is smelt. */
function script(shell: string, text: string): ProgramResult {
  const env = `PATH=${bin}:$PATH dir=${place} coredir=${place} VMCORE=${vmcore}; export PATH; cd "$dir"`;
  return run([shell, '-c', `${env}\n${text}`]);
}

/** A dump that smelt makes of the same memory, byte for byte the same with one thread. */
function same(dump: string, ...options: readonly string[]): void {
  const expected = join(dir, 'expected');
  expect(smelt('--quiet', '-f', '--num-threads', '0', ...options, vmcore, expected).status).toBe(0);
  expect(readFileSync(dump).equals(readFileSync(expected))).toBe(true);
}

/** Which pages it has, in whatever order they lie in the file. */
function pagesOf(dump: string): unknown {
  const raw = join(dir, 'raw');
  expect(smelt('convert', '--quiet', '-f', '--to', 'raw', dump, raw).status).toBe(0);
  return run(['sha256sum', '--', raw]).stdout;
}

describe('kdump.sh of Fedora and RHEL (kdump-utils 1.0.61)', () => {
  const collector = 'makedumpfile -l --message-level 7 -d 31';

  test('mkdumprd checks the options', () => {
    const check = (options: string) => script('bash', `makedumpfile --check-params ${options}`).status;
    expect(check('-l --message-level 7 -d 31 vmcore dumpfile')).toBe(0);
    expect(check('-F -l --message-level 7 -d 31 vmcore')).toBe(0);
    expect(check('-l --message-level 7 -d 32 vmcore dumpfile')).toBe(1);
  });

  test('a file system gets the dump, with as many threads as CPUs', () => {
    const { status, stdout } = script(
      'bash',
      `CORE_COLLECTOR="${collector} --num-threads=2"
       $CORE_COLLECTOR "$VMCORE" "$dir/vmcore-incomplete" || exit 5
       sync -f "$dir/vmcore-incomplete" && mv "$dir/vmcore-incomplete" "$dir/vmcore"`,
    );
    expect({ status, stdout, names: namesIn(place) }).toEqual({ status: 0, stdout: '', names: ['vmcore'] });
    const plain = join(dir, 'plain');
    expect(smelt('--quiet', '-f', '-l', '-d', '31', vmcore, plain).status).toBe(0);
    expect(pagesOf(join(place, 'vmcore'))).toEqual(pagesOf(plain));
  });

  test('ssh gets a flattened stream', () => {
    const { status } = script(
      'bash',
      `set -o pipefail
       CORE_COLLECTOR="${collector} -F --num-threads=0"
       $CORE_COLLECTOR "$VMCORE" | (umask 0077 && dd bs=512 of="$dir/vmcore-incomplete" 2> /dev/null) || exit 5
       mv "$dir/vmcore-incomplete" "$dir/vmcore.flat" && makedumpfile -R vmcore < vmcore.flat`,
    );
    expect(status).toBe(0);
    same(join(place, 'vmcore'), '-l', '-d', '31');
  });

  test('a raw device gets a flattened stream, of which the next boot makes a file', () => {
    writeFileSync(join(place, 'device'), 'what was there before, and remains behind the stream');
    truncateSync(join(place, 'device'), 64 * 1024 * 1024);
    const { status } = script(
      'bash',
      `set -o pipefail
       ${collector} -F --num-threads=0 "$VMCORE" | dd of=device bs=512 conv=notrunc 2> /dev/null || exit 5
       makedumpfile -R "$coredir/vmcore" < device`,
    );
    expect(status).toBe(0);
    same(join(place, 'vmcore'), '-l', '-d', '31');
  });

  test('a failure is seen by its exit code, and the name that is not whole stays', () => {
    const { status } = script('bash', `${collector} "$VMCORE.none" "$dir/vmcore-incomplete"`);
    expect({ status, names: namesIn(place) }).toEqual({ status: 1, names: [] });
    expect(script('bash', `set -o pipefail; ${collector} -F "$VMCORE" | head -c 100000 > cut`).status).toBe(
      1,
    );
    expect(script('bash', 'makedumpfile -R whole < cut').status).toBe(1);
    expect(namesIn(place)).toEqual(['cut', 'whole.incomplete']);
  });
});

describe('kdump-save of SUSE (kdump 2.1.9)', () => {
  test.each(['-E', '-c', '-l', '-p', '-z'])('the dump goes through a fifo: %s', (format) => {
    const { status } = script(
      'bash',
      `mkfifo fifo
       makedumpfile -F ${format} --num-threads 2 --message-level 6 -d 31 $MAKEDUMPFILE_OPTIONS "$VMCORE" > fifo & save=$!
       cat fifo > vmcore
       wait $save`,
    );
    expect(status).toBe(0);
    const plain = join(dir, 'plain');
    expect(smelt('--quiet', '-f', format, '-d', '31', vmcore, plain).status).toBe(0);
    expect(pagesOf(join(place, 'vmcore'))).toEqual(pagesOf(plain));
  });

  test('the log goes through a fifo, and OSRELEASE and CRASHTIME to standard error', () => {
    const { status } = script(
      'bash',
      `mkfifo fifo
       makedumpfile -F --message-level 8 --dump-dmesg "$VMCORE" > fifo 2> stderr & save=$!
       cat fifo > dmesg
       wait $save`,
    );
    expect(status).toBe(0);
    expect(readFileSync(join(place, 'dmesg'), 'utf8')).toContain('Linux version 6.1.0');
    expect(readFileSync(join(place, 'stderr'), 'utf8')).toMatch(/^OSRELEASE=6\.1\.0.*$/m);
  });
});

describe('kdump-config of Debian and Ubuntu (kdump-tools 1.8.1)', () => {
  test('dump and log', () => {
    const { status } = script(
      'dash',
      `MAKEDUMP_ARGS='-F -c -d 31 --num-threads 0'
       makedumpfile --dump-dmesg "$VMCORE" dmesg.202611220245 || exit 5
       makedumpfile $MAKEDUMP_ARGS "$VMCORE" | cat > dump-incomplete
       [ $? -eq 0 ] && mv dump-incomplete dump.202611220245`,
    );
    expect(status).toBe(0);
    expect(namesIn(place)).toEqual(['dmesg.202611220245', 'dump.202611220245']);
    expect(statSync(join(place, 'dmesg.202611220245')).mode & 0o777).toBe(0o600);
    expect(smelt('--quiet', '-f', '-c', join(place, 'dump.202611220245'), join(dir, 'plain')).status).toBe(0);
    expect(pagesOf(join(place, 'dump.202611220245'))).toEqual(pagesOf(join(dir, 'plain')));
  });
});
