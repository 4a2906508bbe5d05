/** What makedumpfile prints: its version, what it was built without, and how long its steps took. */

/** "makedumpfile: version 1.7.2 (released on 20 Oct 2022)": the first line that names a version, else the first line. */
export function versionLine(text: string): string | undefined {
  const lines = text
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.find((line) => /version|\d+\.\d+/i.test(line)) ?? lines[0];
}

/**
 * Codecs that `-v` lists as disabled: "zstd\tdisabled". One without that list says it when the option is used, and goes on
 * without it: "'-z' option is disabled, because this binary doesn't support zstd compression."
 */
export function lackedCodecs(text: string): string[] {
  const listed = [...text.matchAll(/^(lzo|snappy|zstd)[ \t]+disabled\s*$/gm)].map(([, name]) => name!);
  const refused = [...text.matchAll(/option is disabled,.*support (lzo|snappy|zstd)\b/g)].map(
    ([, name]) => name!,
  );
  return [...new Set([...listed, ...refused])];
}

export interface PeerStep {
  readonly name: string;
  readonly ms: number;
}

/**
 * "STEP [Copying data               ] : 0.823226 seconds", summed by name: a step can come several times. In the order of
 * the first of each.
 */
export function stepsOf(text: string): PeerStep[] {
  const steps = new Map<string, number>();
  for (const [, name, seconds] of text.matchAll(/STEP \[([^\]]*)\] : ([0-9]+(?:\.[0-9]+)?) seconds/g)) {
    const key = name!.trim();
    steps.set(key, (steps.get(key) ?? 0) + Number(seconds) * 1000);
  }
  return [...steps].map(([name, ms]) => ({ name, ms }));
}
