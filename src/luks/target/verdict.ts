/** Whether all that goes down from a path is encrypted on its way: leg by leg. */

import type { Encrypted, Layer, Leg } from './report.ts';

/** Every way from the top to something without anything below it. */
export function legsOf(layer: Layer): Leg[] {
  return ways(layer, []).map(toLeg);
}

function ways(layer: Layer, above: readonly Layer[]): Layer[][] {
  const way = [...above, layer];
  return layer.below.length === 0 ? [way] : layer.below.flatMap((each) => ways(each, way));
}

function toLeg(way: readonly Layer[]): Leg {
  const layers = way.map(({ name }) => name);
  const by = way.find(({ encrypts }) => encrypts === 'yes');
  if (by !== undefined) return { layers, encrypted: 'yes', why: by.name };
  const doubt = way.find(({ encrypts }) => encrypts === 'unknown');
  const end = way.at(-1)!;
  if (doubt !== undefined) return { layers, encrypted: 'unknown', why: doubt.problem };
  if (end.kind === 'disk' || end.kind === 'memory') {
    const failed = way.find(({ kind, problem }) => kind === 'dm-crypt' && problem !== undefined);
    return { layers, encrypted: 'no', why: failed?.problem ?? end.problem };
  }
  const why = end.problem ?? `what ${end.name} lies on is not known`;
  return { layers, encrypted: 'unknown', why };
}

export function verdictOf(path: string, legs: readonly Leg[]): { encrypted: Encrypted; why: string } {
  const [open, unclear, closed] = (['no', 'unknown', 'yes'] as const).map((state) =>
    legs.filter(({ encrypted }) => encrypted === state),
  );
  const by = namesOf(
    closed.map(({ why }) => why!),
    'encrypts',
    'encrypt',
  );
  const plain = listOf(open.map(({ layers }) => layers.at(-1)!));
  if (closed.length === legs.length)
    return { encrypted: 'all legs', why: `${by} all that is written to ${path}` };
  if (closed.length > 0 && open.length > 0)
    return {
      encrypted: 'some legs',
      why: `${by} only a part of what is written to ${path}: the rest lies on ${plain} in plaintext`,
    };
  if (unclear.length > 0) {
    const rest = open.length > 0 ? `, and a part of it lies on ${plain} in plaintext` : '';
    return { encrypted: 'unknown', why: `${unclear[0].why}${rest}` };
  }
  const special = open.find(({ why }) => why !== undefined);
  return {
    encrypted: 'none',
    why: special?.why ?? `nothing encrypts what is written to ${path}: it lies on ${plain} in plaintext`,
  };
}

const MAX_NAMES = 4;

/** "luks-a encrypts", "luks-a and luks-b encrypt" */
function namesOf(names: readonly string[], verbOfOne: string, verbOfMore: string): string {
  return `${listOf(names)} ${new Set(names).size === 1 ? verbOfOne : verbOfMore}`;
}

function listOf(names: readonly string[]): string {
  const unique = [...new Set(names)];
  const more = unique.length > MAX_NAMES ? [`${unique.length - MAX_NAMES} more`] : [];
  return [...unique.slice(0, MAX_NAMES), ...more].join(' and ');
}
