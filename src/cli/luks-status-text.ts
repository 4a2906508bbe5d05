/** What a person is told by `smelt luks status`: what a path is on, layer below layer, and what unlocking it takes after a crash. */

import { slotsByCost } from '../luks/header/cost.ts';
import type { Kdf, Keyslot, LuksHeader } from '../luks/header/report.ts';
import type { LuksStatus } from '../luks/status.ts';
import type { CryptLayer, Encrypted, Layer, TargetReport } from '../luks/target/report.ts';
import { count, memory } from '../units.ts';
import { columns } from './columns.ts';
import { hang, printable } from './text.ts';

const MAX_WIDTH = 80;
const INDENT = '  ';
/** Layers and headers that are shown; --json has all. */
const MAX_LAYERS = 40;
const MAX_HEADERS = 8;
const SIZE_WIDTH = 10;

const VERDICTS: Readonly<Record<Encrypted, string>> = {
  'all legs': 'encrypted',
  'some legs': 'encrypted only in part',
  none: 'not encrypted',
  unknown: 'whether it is encrypted is not known',
};

/** At most 80 columns, fewer where `width` is less. */
export function luksStatusText(
  { target, crashKernelMemory, isCrashKernel }: LuksStatus,
  width: number,
): string[] {
  const room = Math.min(width, MAX_WIDTH);
  const headers = headersOf(target);
  const lines = [
    ...wrapped('', firstLine(target), room),
    ...(target.encrypted === 'all legs' ? [] : wrapped(INDENT, `${target.why}.`, room)),
    '',
    ...treeLines(target, room),
    ...headers.slice(0, MAX_HEADERS).flatMap((each) => ['', ...headerLines(each, room)]),
    ...(headers.length > MAX_HEADERS
      ? ['', `${headers.length - MAX_HEADERS} headers more: --json has all`]
      : []),
  ];
  const cost = costLine(headers, crashKernelMemory, isCrashKernel);
  const all = cost === undefined ? lines : [...lines, '', ...wrapped('', cost, room)];
  return all.map((line) => clip(line.trimEnd(), room));
}

/** "/var/crash is on ext4 on LVM on LUKS2 (aes-xts-plain64): encrypted" */
function firstLine({ path, existing, exists, layers, encrypted, header }: TargetReport): string {
  const isDevice = layers.device !== undefined;
  const own = header === undefined ? '' : ` ${isDevice ? 'with' : 'has'} a LUKS${header.version} header`;
  const on = isDevice
    ? `is ${chain(layers)}${own}`
    : `${own === '' ? '' : `${own.trim()} and `}is on ${chain(layers)}`;
  const isPast = header !== undefined && encrypted !== 'all legs';
  const what = exists || layers.kind === 'unknown' ? path : `${path} does not exist; ${existing}`;
  return `${what} ${on}: ${isPast ? 'encrypted only through dm-crypt' : VERDICTS[encrypted]}`;
}

/** Down to what encrypts, or to the disk; where ways part that are not alike, no further. */
function chain(layer: Layer): string {
  const [first, ...others] = layer.below;
  const own = words(layer);
  if (layer.encrypts === 'yes' || first === undefined) return own;
  if (first.kind === 'disk' && layer.kind === 'partition') return own;
  const further = chain(first);
  if (others.some((each) => chain(each) !== further)) return `${own} on ${layer.below.length} devices`;
  return `${own} on ${further}`;
}

function words({ kind, name, crypt, detail }: Layer): string {
  switch (kind) {
    case 'file system':
    case 'memory':
    case 'network':
    case 'unknown':
      return name;
    case 'dm-crypt':
      return crypt!.encryption === undefined ? crypt!.kind : `${crypt!.kind} (${crypt!.encryption})`;
    case 'md':
      return `md ${detail}`;
    case 'loop':
      return `a loop device on ${detail ?? 'nothing'}`;
    case 'partition':
    case 'disk':
      return `a ${kind}`;
    default:
      return kind;
  }
}

interface Row {
  /** "   └─ LVM" */
  readonly branch: string;
  /** What stands in its place on the lines below. */
  readonly trunk: string;
  readonly layer: Layer;
}

function treeLines({ layers, why }: TargetReport, room: number): string[] {
  const rows = rowsOf(layers, '', '', '');
  const shown = rows.slice(0, MAX_LAYERS);
  const branchWidth = Math.min(Math.max(...shown.map(({ branch }) => branch.length)), room - 40);
  const names = shown.map(({ layer }) => printable(nameOf(layer)));
  const nameWidth = Math.min(
    Math.max(...names.map(({ length }) => length)),
    room - branchWidth - SIZE_WIDTH - 6,
  );
  const start = INDENT.length + branchWidth + 2;
  const lines = shown.flatMap(({ branch, trunk, layer }, index) => {
    const size = layer.sizeBytes === undefined ? '' : memory(layer.sizeBytes);
    const name = clip(names[index], nameWidth).padEnd(nameWidth);
    const line = `${INDENT}${clip(branch, branchWidth).padEnd(branchWidth)}  ${name}  ${size.padStart(SIZE_WIDTH)}`;
    const below = `${INDENT}${clip(trunk, branchWidth).padEnd(branchWidth)}  `;
    return [line, ...notesOf(layer, why).flatMap((note) => wrapped(below, note, room, start, below))];
  });
  const more = rows.length - shown.length;
  return more > 0 ? [...lines, `${INDENT}${count(more)} layers more: --json has all`] : lines;
}

function rowsOf(layer: Layer, lead: string, elbow: string, rest: string): Row[] {
  const below = layer.below.length > 0 ? '│' : '';
  return [
    { branch: `${lead}${elbow}${kindWord(layer)}`, trunk: `${lead}${rest}${below}`, layer },
    ...layer.below.flatMap((each, index) => {
      const isLast = index === layer.below.length - 1;
      return rowsOf(each, `${lead}${rest}`, isLast ? '└─ ' : '├─ ', isLast ? '   ' : '│  ');
    }),
  ];
}

function kindWord({ kind, name, crypt, detail, device }: Layer): string {
  if (crypt !== undefined) return crypt.kind;
  if (device === undefined && kind !== 'unknown') return printable(name);
  return kind === 'md' && detail !== undefined ? `md ${printable(detail)}` : kind;
}

/** Of what was mounted, where. */
const nameOf = ({ device, detail, name }: Layer): string => (device === undefined ? (detail ?? name) : name);

/** What the sentence above the tree has said is not said again. */
function notesOf({ kind, crypt, detail, problem }: Layer, said: string): string[] {
  const notes: string[] = [];
  if (crypt !== undefined) notes.push([crypt.encryption ?? 'cipher not known', keyWords(crypt)].join(', '));
  if (kind === 'loop' && detail !== undefined) notes.push(`the file ${detail}`);
  if (problem !== undefined && !said.includes(problem)) notes.push(problem);
  return notes;
}

function keyWords({ key }: CryptLayer): string {
  if (key === undefined) return 'dm table not read';
  if (key.place === 'keyring') return `key in the keyring (${key.type})`;
  return key.sizeBytes === 0 ? 'no key' : 'key not in the keyring';
}

interface Named {
  readonly name: string;
  /** Undefined: it cannot be read. */
  readonly header: LuksHeader | undefined;
  readonly why: string;
}

/** That of the path itself, and those below each dm-crypt device, each once. */
function headersOf({ path, layers, header }: TargetReport): Named[] {
  const found = new Map<string, Named>();
  if (header !== undefined) found.set(header.uuid, { name: path, header, why: '' });
  const visit = ({ name, crypt, below }: Layer): void => {
    if (crypt?.header !== undefined) {
      const read = 'notLuks' in crypt.header ? undefined : crypt.header;
      const why = 'notLuks' in crypt.header ? crypt.header.notLuks : '';
      const key = crypt.uuid ?? name;
      if (!found.has(key)) found.set(key, { name, header: read, why });
    }
    below.forEach(visit);
  };
  visit(layers);
  return [...found.values()];
}

function headerLines({ name, header, why }: Named, room: number): string[] {
  if (header === undefined) return wrapped('', `keyslots of ${name} are not known: ${why}`, room, 4);
  const label = header.version === 2 && header.label !== '' ? `, label ${header.label}` : '';
  const title = wrapped('', `keyslots of ${name}, LUKS${header.version}${label}`, room, 4);
  const active = header.keyslots.filter((each) => each.active);
  const rows = active.map((each) =>
    [String(each.id), each.kdf?.type ?? each.type, ...costs(each)].map(printable),
  );
  const head = ['slot', 'KDF', 'memory', 'work', ''];
  const table =
    rows.length === 0
      ? [`${INDENT}${noSlots(header)}`]
      : columns(['right', 'left', 'right', 'left', 'left'], [head, ...rows]);
  const tokens = header.version === 2 ? header.tokens : [];
  const tokenLines = tokens.map(({ type, keyslots }) => `token ${type} for ${slots(keyslots)}`);
  const { flags = [], requirements = [] } = (header.version === 2 && header.config) || {};
  const marks = [...flags, ...requirements];
  const markLines = marks.length === 0 ? [] : [`flags ${marks.join(', ')}`];
  return [
    ...title,
    ...table,
    ...[...tokenLines, ...markLines, ...header.broken].flatMap((each) => wrapped(INDENT, each, room, 4)),
  ];
}

/** Where both headers are broken, nobody can say; else nothing but the volume key opens it. */
const noSlots = (header: LuksHeader): string =>
  header.version === 2 && header.used === undefined
    ? 'cannot be read'
    : 'none: no passphrase and no key file opens it';

const slots = (ids: readonly number[]): string => (ids.length === 0 ? 'no slot' : `slot ${ids.join(', ')}`);

/** Memory, time, and what is unusual. */
function costs({ kdf, priority }: Keyslot): string[] {
  const rank = priority === 'normal' ? '' : priority === 'prefer' ? 'preferred' : 'only if asked for';
  if (kdf === undefined) return [];
  return [kdf.memoryKib === undefined ? 'none' : memory(kdf.memoryKib * 1024), work(kdf), rank];
}

function work({ iterations, time, cpus }: Kdf): string {
  if (iterations !== undefined) return `${count(iterations)} iterations`;
  if (time === undefined || cpus === undefined) return '';
  return `${count(time)} ${time === 1 ? 'pass' : 'passes'}, ${count(cpus)} ${cpus === 1 ? 'thread' : 'threads'}`;
}

/** Undefined where nothing is known of any keyslot. */
function costLine(
  headers: readonly Named[],
  reserved: LuksStatus['crashKernelMemory'],
  isCrashKernel: boolean,
): string | undefined {
  const costsOfAll = headers.flatMap(({ header }) => (header === undefined ? [] : [slotsByCost(header)]));
  // All of them have to be opened, each by the slot that takes the least.
  const [first] = costsOfAll.toSorted((a, b) => (b[0]?.memoryBytes ?? 0) - (a[0]?.memoryBytes ?? 0));
  const least = first?.[0];
  if (least === undefined) return undefined;
  const most = first!.at(-1)!.memoryBytes;
  const words = (bytes: number) => (bytes === 0 ? 'no memory to speak of' : `${memory(bytes)} of memory`);
  const others =
    most > least.memoryBytes ? ` by slot ${least.slot}, and up to ${memory(most)} by others` : '';
  const cost = `unlocking by key file or passphrase takes ${words(least.memoryBytes)}${others}`;
  if (reserved.value === undefined)
    return `${cost}; what the crash kernel has is not known: ${reserved.source}`;
  if (reserved.value === 0) return `${cost}; no memory is reserved for a crash kernel`;
  const rest = reserved.value - least.memoryBytes;
  const room =
    least.memoryBytes === 0
      ? ''
      : rest <= 0
        ? ': too little; `cryptsetup luksAddKey --pbkdf pbkdf2` makes a slot that takes none'
        : `, which leaves ${memory(rest)} for all else`;
  const has = isCrashKernel
    ? `this crash kernel has ${memory(reserved.value)}`
    : `${memory(reserved.value)} are reserved for the crash kernel`;
  return `${cost}; ${has}${room}`;
}

/** What a file says is made printable first. */
function wrapped(start: string, text: string, room: number, indent = start.length, below?: string): string[] {
  const [first, ...more] = hang(start, printable(text).split(' '), room, indent);
  return [first, ...more.map((line) => (below === undefined ? line : below + line.slice(below.length)))];
}

const clip = (line: string, room: number): string =>
  line.length > room ? `${line.slice(0, Math.max(0, room - 1))}…` : line;
