/** What a user is told on a machine where nothing, or less than asked for, is installed. */
import { beforeEach, expect, it, vi } from 'vitest';
import type * as NativeKoffi from '../../src/native/koffi.ts';

const missing = new Set<string>();

vi.mock('../../src/native/koffi.ts', async (original) => {
  const real = await original<typeof NativeKoffi>();
  const bindLibrary: typeof real.bindLibrary = (soname, bind) =>
    missing.has(String(soname))
      ? { unavailable: `${soname} is not installed` }
      : real.bindLibrary(soname, bind);
  return { ...real, bindLibrary };
});

beforeEach(() => {
  missing.clear();
  vi.resetModules(); // each library is bound once a thread
});

const makers = () => import('../../src/codec/makers.ts');

it('falls back to the portable maker where the library is missing', async () => {
  for (const soname of ['libzstd.so.1', 'libdeflate.so.0', 'libz.so.1', 'liblzo2.so.2', 'libsnappy.so.1']) {
    missing.add(soname);
  }
  const { openCodec } = await makers();
  for (const name of ['zstd', 'zlib', 'lzo', 'snappy'] as const) {
    expect((await openCodec(name)).kind).toBe('portable');
  }
});

it('names the missing library and both distributions’ packages when the native maker was insisted on', async () => {
  missing.add('libzstd.so.1');
  const { openCodec } = await makers();
  await expect(openCodec('zstd', { kind: 'native' })).rejects.toMatchObject({
    code: 'NO_CODEC',
    message: 'nobody here can make zstd: libzstd.so.1 is not installed',
    hint: 'Install libzstd1 (Debian, Ubuntu) or libzstd (Fedora, RHEL), and koffi with "npm install koffi", or leave --codec-maker out.',
  });
});

it('takes libz where libdeflate is missing, up to level 9', async () => {
  missing.add('libdeflate.so.0');
  const { openCodec } = await makers();
  const opened = await openCodec('zlib', { kind: 'native', level: 9 }).catch((error: Error) => error);
  if (opened instanceof Error) expect(opened.message).toContain('koffi');
  else expect(opened.maker).toMatch(/^zlib \d/);
});

it('does not lower a level that only libdeflate has', async () => {
  missing.add('libdeflate.so.0');
  const { openCodec } = await makers();
  await expect(openCodec('zlib', { level: 10 })).rejects.toMatchObject({
    code: 'NO_CODEC',
    message:
      'nobody here can make zlib: libdeflate.so.0 is not installed, and only libdeflate has zlib levels above 9; ' +
      'zlib has the levels 1 to 9 with the portable maker, saw 10, which only the native maker has',
  });
});
