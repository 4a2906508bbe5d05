/** The only door to koffi: loads it when first needed, opens system libraries by soname, and says why where either is missing. */
import { createRequire } from 'node:module';

/** What is used of koffi. Its own types are not there where it is not installed, and the build must not need it. */
export interface Koffi {
  load(soname: string | null): NativeLibrary;
  /** An ArrayBuffer over memory, without a copy. */
  view(pointer: Pointer, length: number): ArrayBuffer;
  /** Where a buffer's bytes lie. */
  address(buffer: Uint8Array): Pointer;
  /** errno of the last call on this thread. */
  errno(): number;
}

export interface NativeLibrary {
  /** The function of a C declaration; whoever asks says which type that is here. */
  func<T extends (...args: never[]) => unknown>(declaration: string): T;
}

/** A C pointer as koffi gives it. It never leaves src/native. */
export type Pointer = bigint;

/** Why something native cannot be had, in words that need nothing around them: "libzstd.so.1 is not installed". */
export interface Unavailable {
  readonly unavailable: string;
}

const requireModule = createRequire(import.meta.url);
let koffiOrReason: { koffi: Koffi } | Unavailable | undefined;

/** koffi, or why not: it is an optional dependency, and has no binary for every machine. Loading costs some 8 ms, once a thread. */
export function loadKoffi(): { koffi: Koffi } | Unavailable {
  koffiOrReason ??= tryKoffi(requireModule);
  return koffiOrReason;
}

/** `loadKoffi` without its memory; `load` stands for `require`. */
export function tryKoffi(load: (name: string) => unknown): { koffi: Koffi } | Unavailable {
  try {
    return { koffi: load('koffi') as Koffi };
  } catch (error) {
    const notFound = error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
    return {
      unavailable: notFound
        ? 'the npm package koffi is not installed'
        : `koffi does not load (${firstLine(error)})`,
    };
  }
}

/** A system library by its soname, as the dynamic loader finds it; null is the process itself and with it libc. */
export function loadLibrary(soname: string | null): { lib: NativeLibrary; koffi: Koffi } | Unavailable {
  const loaded = loadKoffi();
  if ('unavailable' in loaded) return loaded;
  try {
    return { lib: loaded.koffi.load(soname), koffi: loaded.koffi };
  } catch (error) {
    const reason = firstLine(error).replace(/^Failed to load shared library: /, '');
    return {
      unavailable: reason.includes('No such file or directory')
        ? `${soname} is not installed`
        : `${soname} does not load (${reason})`,
    };
  }
}

/**
 * Opens a library and takes from it what `bind` asks for. A function it does not have (an older version) makes the
 * library unavailable too, so that nobody finds out in the middle of a dump.
 */
export function bindLibrary<T>(
  soname: string | null,
  bind: (lib: NativeLibrary) => T,
): { functions: T } | Unavailable {
  const opened = loadLibrary(soname);
  if ('unavailable' in opened) return opened;
  try {
    return { functions: bind(opened.lib) };
  } catch (error) {
    return { unavailable: `${soname ?? 'libc'} cannot be used (${firstLine(error)})` };
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}
