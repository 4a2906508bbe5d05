/** What is said of files that are no dump. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createReader, openDump } from '../../src/read/open.ts';
import { writeElfCore } from '../build/elf.ts';
import { buildKdump } from '../build/kdump.ts';
import { expectSmeltError, tempFiles } from './temp-files.ts';

const files = tempFiles();
const isRoot = process.getuid?.() === 0;
const openFds = () => readdirSync('/proc/self/fd').length;

describe('openDump', () => {
  it('tells the formats apart by their first bytes', () => {
    const elf = files.path('elf');
    writeElfCore(elf, { loads: [{ paddr: 0, memsz: 4096 }] });
    const kdump = files.path('kdump');
    buildKdump({ path: kdump, pages: new Map([[1, new Uint8Array(4096)]]) });
    for (const [path, format] of [
      [elf, 'elf'],
      [kdump, 'kdump'],
    ] as const) {
      const file = files.open(path);
      expect(file).toMatchObject({ format, path });
      const reader = createReader(file, false, []);
      expect(reader.pageSize).toBe(4096);
      reader.close();
    }
  });

  it('follows a symbolic link', () => {
    const elf = files.path('elf');
    writeElfCore(elf, { loads: [{ paddr: 0, memsz: 4096 }] });
    const link = files.path('link');
    symlinkSync(elf, link);
    expect(files.open(link).format).toBe('elf');
  });

  it.each([
    ['an empty file', Buffer.alloc(0), /is empty/, /incomplete/],
    ['text', Buffer.from('hello\n'), /begins with 68 65 6c 6c 6f 0a/, /ELF vmcores/],
    ['one byte', Buffer.from('K'), /begins with 4b/, undefined],
    ['zeros', Buffer.alloc(8192), /begins with 00 00 00 00 00 00 00 00/, undefined],
    ['a gzip file', gzipSync('x'), /gzip/, /gzip -d/],
    ['a zlib stream', deflateSync('x'), /begins with 78 9c/, undefined],
    ['a zstd file', Buffer.from('28b52ffd0000', 'hex'), /zstd/, /zstd -d/],
    ['an xz file', Buffer.from('fd377a585a00', 'hex'), /xz/, /xz -d/],
    ['a LiME image', Buffer.from('EMiL\x01\0\0\0'), /LiME/, undefined],
    ['the magic of ELF alone', Buffer.from('\x7fELF'), /begins with 7f 45 4c 46/, undefined],
    ['a signature cut short', Buffer.from('KDUMP  '), /begins with 4b 44/, undefined],
  ])('says of %s what it is', (_, bytes, message, hint) => {
    const path = files.write(bytes);
    const error = expectSmeltError(() => openDump(path), 'NOT_A_DUMP', path, message);
    if (hint) expect(error.hint).toMatch(hint);
  });

  it('says what is wrong with what cannot be opened', () => {
    expectSmeltError(
      () => openDump('/no/such/file'),
      'INPUT_OPEN',
      '/no/such/file',
      /no such file \(ENOENT\)/,
    );
    const directory = files.path('directory');
    mkdirSync(directory);
    expectSmeltError(() => openDump(directory), 'INPUT_OPEN', directory, /is a directory/);
    expectSmeltError(() => openDump('/dev/null'), 'INPUT_OPEN', /not a regular file/);
    const below = `${files.write('x')}/below`;
    expectSmeltError(() => openDump(below), 'INPUT_OPEN', /not a directory \(ENOTDIR\)/);
  });

  it('does not wait for a writer of a named pipe', () => {
    const pipe = files.path('pipe');
    execFileSync('mkfifo', [pipe]);
    // A writer comes late, so that this test ends also when the reader waits for it.
    const came = files.path('writer-came');
    const writer = spawn('sh', ['-c', 'sleep 10; : > "$1"; : > "$0"', pipe, came], { stdio: 'ignore' });
    try {
      expectSmeltError(() => openDump(pipe), 'INPUT_OPEN', pipe, /is not a regular file/);
      expect(existsSync(came)).toBe(false);
    } finally {
      writer.kill();
    }
  });

  it.skipIf(isRoot)(
    `says that it may not read${isRoot ? ' (skipped: root may read everything)' : ''}`,
    () => {
      const path = files.write('x');
      chmodSync(path, 0);
      expectSmeltError(() => openDump(path), 'INPUT_OPEN', /permission denied \(EACCES\)/);
    },
  );

  it('leaves no file open behind that it refuses', () => {
    const text = files.write('hello');
    const before = openFds();
    for (let i = 0; i < 5; i++) {
      for (const path of [text, '/dev/null', '/tmp']) {
        try {
          openDump(path);
        } catch {}
      }
    }
    expect(openFds()).toBe(before);
  });
});
