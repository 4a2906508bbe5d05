/** Which mount a path lies on. Source: proc_pid_mountinfo(5); Linux Documentation/filesystems/proc.rst, 3.5. */

export interface Mount {
  readonly id: string;
  readonly parent: string;
  /** "254:1"; with major number 0 it is no block device. */
  readonly number: string;
  readonly point: string;
  readonly type: string;
  /** What was mounted: a device, a name, anything. */
  readonly source: string;
  /** Of the file system: "rw,upperdir=/var/up", blanks and commas in values still octal. */
  readonly options: readonly string[];
}

export function parseMountinfo(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const [id, parent, number, , point] = fields;
    // Between the options of the mount and the "-" there are any number of optional fields.
    const dash = fields.indexOf('-', 6);
    const [type, source, options] = fields.slice(dash + 1);
    if (dash < 0 || options === undefined || !/^\d+:\d+$/.test(number)) return [];
    const mount = { id, parent, number, point: unescaped(point), type, source: unescaped(source) };
    return { ...mount, options: options.split(',') };
  });
}

/** "\040" is a blank. */
export function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The value of an option: of `upperdir=/a\040b` "/a b". */
export function optionOf({ options }: Mount, name: string): string | undefined {
  const option = options.find((each) => each.startsWith(`${name}=`));
  return option === undefined ? undefined : unescaped(option.slice(name.length + 1));
}

/**
 * Goes from mount to mount as the kernel does: a mount is reached only from the one it was made upon, so what another mount has
 * hidden since is not found. `number` is the device of the file by stat(2), which decides where the mounts shown are not all.
 */
export function findMount(
  mounts: readonly Mount[],
  path: string,
  number: string | undefined,
): Mount | undefined {
  const ids = new Set(mounts.map(({ id }) => id));
  const onTheWay = mounts.filter(({ point }) => isBelow(path, point));
  const seen = new Set<Mount>();
  let at: Mount | undefined;
  for (;;) {
    // Of a mount whose parent is not shown (the first one, or after chroot) it is taken that it lies on the one before.
    const next = onTheWay
      .filter(
        (each) =>
          !seen.has(each) && (each.parent === at?.id || !ids.has(each.parent) || each.parent === each.id),
      )
      .filter(({ point }) => at === undefined || isBelow(point, at.point))
      .reduce<Mount | undefined>(
        (best, each) => (best === undefined || each.point.length <= best.point.length ? each : best),
        undefined,
      );
    if (next === undefined) break;
    seen.add(next);
    at = next;
  }
  // Several file systems have numbers of their own for each file; those begin with 0.
  if (number === undefined || number.startsWith('0:') || at?.number === number) return at;
  return mounts.findLast((each) => each.number === number);
}

function isBelow(path: string, point: string): boolean {
  return path === point || path.startsWith(point === '/' ? '/' : `${point}/`);
}
