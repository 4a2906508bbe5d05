/** Whether the parts of a LUKS2 header's JSON agree with each other. Source: LUKS2_hdr_validate() of cryptsetup's luks2_json_metadata.c. */

import { LUKS2_BINARY_BYTES } from './layout.ts';
import { type Config, type Digest, isBackup, type Keyslot, type Segment, type Token } from './report.ts';
import type { Problems } from './shape.ts';

export interface Metadata {
  readonly keyslots: readonly Keyslot[];
  readonly segments: readonly Segment[];
  readonly digests: readonly Digest[];
  readonly tokens: readonly Token[];
  readonly config: Config | undefined;
}

/** Of a keyslot area or a segment; `end` is Infinity where it goes on to the end of the device. */
export interface Interval {
  readonly what: string;
  readonly start: number;
  readonly end: number;
}

export function checkAgreement(
  { keyslots, segments, digests, tokens, config }: Metadata,
  areas: readonly Interval[],
  problems: Problems,
): void {
  const missing = (who: string, what: string, ids: readonly number[], there: readonly { id: number }[]) => {
    for (const id of ids)
      if (!there.some((each) => each.id === id))
        problems.add(`${who} is for ${what} ${id}, which is not there`);
  };
  for (const token of tokens) missing(`token ${token.id}`, 'keyslot', token.keyslots, keyslots);
  for (const digest of digests) {
    missing(`digest ${digest.id}`, 'keyslot', digest.keyslots, keyslots);
    missing(`digest ${digest.id}`, 'segment', digest.segments, segments);
  }
  for (const { id, type } of keyslots) {
    const own = digests.filter((digest) => digest.keyslots.includes(id)).length;
    if (type === 'luks2' && own !== 1) problems.add(`keyslot ${id} has ${own} digests, not one`);
  }
  for (const { id, encryption } of segments)
    if (encryption !== undefined && !digests.some((digest) => digest.segments.includes(id)))
      problems.add(`segment ${id} is encrypted and has no digest`);

  const metadataEnd = 2 * (LUKS2_BINARY_BYTES + config!.jsonBytes);
  const areasEnd = metadataEnd + config!.keyslotsBytes;
  for (const { what, start, end } of areas)
    if (start < metadataEnd || end > areasEnd) problems.add(`${what} is not where keyslots are`);
  checkApart(areas, problems);

  const regular = segments.filter((segment) => !isBackup(segment));
  if (regular.length === 0) problems.add('there is no segment');
  segments.forEach(({ id }, index) => {
    if (id !== index) problems.add(`segment ${index} is missing`);
  });
  // Backups of a reencryption come last, and lie where the segments themselves do.
  if (segments.findIndex(isBackup) >= 0 && segments.findIndex(isBackup) < regular.length)
    problems.add('a segment comes behind a backup segment');
  checkApart(
    regular.map(({ id, offsetBytes, sizeBytes }) => ({
      what: `segment ${id}`,
      start: offsetBytes,
      end: sizeBytes === 'dynamic' ? Number.POSITIVE_INFINITY : offsetBytes + sizeBytes,
    })),
    problems,
  );
  // A detached header's data begin at 0 of another device.
  const dataStart = Math.min(...regular.map(({ offsetBytes }) => offsetBytes));
  if (dataStart > 0 && dataStart < areasEnd) problems.add('the data begin inside the header');
}

function checkApart(intervals: readonly Interval[], problems: Problems): void {
  const sorted = intervals.toSorted((a, b) => a.start - b.start);
  sorted.forEach(({ what, start }, index) => {
    if (index > 0 && start < sorted[index - 1].end)
      problems.add(`${what} and ${sorted[index - 1].what} overlap`);
  });
}
