/** Which compression levels each codec and maker knows, and the sentence for one that it does not. */
import type { CodecName, MakerKind } from './codec.ts';

export interface LevelRange {
  readonly least: number;
  readonly most: number;
}

/** zstd's 20 to 22 are left out: they take memory a crash kernel does not have. zlib's 10 to 12 are libdeflate's own. */
const RANGES: Readonly<Partial<Record<CodecName, Readonly<Record<MakerKind, LevelRange>>>>> = {
  zstd: { native: { least: 1, most: 19 }, portable: { least: 1, most: 19 } },
  zlib: { native: { least: 1, most: 12 }, portable: { least: 1, most: 9 } },
};

/** What zstd and zlib are used with when nobody asks for a level, as by makedumpfile: fast enough for one chance. */
export const DEFAULT_LEVEL = 1;

/** The level that is used; undefined for a codec without levels. */
export function usedLevel(name: CodecName, asked: number | undefined): number | undefined {
  return asked ?? (levelRange(name) === undefined ? undefined : DEFAULT_LEVEL);
}

/** The levels of a codec; without a `kind`, those that some maker of it has. Undefined: the codec has no levels. */
export function levelRange(name: CodecName, kind: MakerKind = 'native'): LevelRange | undefined {
  // Every native maker knows at least what its portable twin does.
  return RANGES[name]?.[kind];
}

/** Says what is wrong with a level, as a sentence without a full stop, or undefined when the codec has it. */
export function levelProblem(name: CodecName, level: number, kind?: MakerKind): string | undefined {
  const range = levelRange(name, kind);
  if (range === undefined) return `${name} has no compression levels, saw ${level}`;
  if (Number.isInteger(level) && level >= range.least && level <= range.most) return undefined;
  const widest = levelRange(name);
  const onlyNative =
    kind === 'portable' && widest !== undefined && level <= widest.most && level >= widest.least;
  const problem = `${name} has the levels ${range.least} to ${range.most}${kind === 'portable' ? ' with the portable maker' : ''}, saw ${level}`;
  return onlyNative ? `${problem}, which only the native maker has` : problem;
}
