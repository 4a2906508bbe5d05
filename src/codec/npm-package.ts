/** Loads an npm package of the portable makers when it is first needed: most runs need none. */
import { createRequire } from 'node:module';
import type { Unavailable } from './codec.ts';

const requireModule = createRequire(import.meta.url);

/** A CommonJS module of `packageName` and the package's version, or why it cannot be had. The caller knows the module's type. */
export function loadPackage<T>(
  packageName: string,
  modulePath: string,
): { module: T; version: string } | Unavailable {
  try {
    const { version } = requireModule(`${packageName}/package.json`) as { version: string };
    return { module: requireModule(`${packageName}/${modulePath}`) as T, version };
  } catch (error) {
    const notFound = error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
    const reason = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    return {
      unavailable: notFound
        ? `the npm package ${packageName} is not installed`
        : `${packageName} does not load (${reason})`,
    };
  }
}
