/** The architectures that are understood, by name. A new one is one more file and one more word here. */

import type { Arch } from './arch.ts';
import { x86_64 } from './x86_64.ts';

const ARCHITECTURES: readonly Arch[] = [x86_64];

export function archByName(name: string): Arch | undefined {
  return ARCHITECTURES.find((arch) => arch.name === name);
}

export function supportedArchitectures(): string {
  return ARCHITECTURES.map((arch) => arch.name).join(', ');
}
