/** Where the labels of points go so that they cover neither each other nor a point. */

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface Labelled {
  readonly x: number;
  readonly y: number;
  readonly label: string;
}

export interface Placed {
  /** Middle of the text, and its baseline. */
  readonly x: number;
  readonly y: number;
  /** Too far from its point to be understood without a line. */
  readonly far: boolean;
}

export const LABEL_SIZE = 12;
/** Of a digit or letter of a sans-serif font, by the font's size. */
const LETTER_WIDTH = 0.6;
/** Half of a marker's side, and the room around it. */
const MARKER = 8;
const NEAR = 14;
const DISTANCES = [NEAR, 26, 38, 52, 66, 84];
/** Above, below, right, left, and then between: in the order in which they read best. */
const DIRECTIONS: readonly (readonly [x: number, y: number])[] = [
  ...[-90, 90, 0, 180, -45, -135, 45, 135, -67, -113, 67, 113, -22, 22, -158, 158].map(
    (degrees): [number, number] => [Math.cos((degrees / 180) * Math.PI), Math.sin((degrees / 180) * Math.PI)],
  ),
];
/** What a line from a label across another point counts, a covered pixel, and each pixel that a label is away. */
const CROSSING = 60;
const COVERED = 5;
const LENGTH = 0.2;

/** One place for each point, in their order. `taken`: what must not be covered besides. */
export function placeLabels(points: readonly Labelled[], inside: Box, taken: readonly Box[] = []): Placed[] {
  const markers = points.map(markerBox);
  const boxes: Box[] = [...taken, ...markers];
  const leaders: [Spot, Spot][] = [];
  const placed = new Map<Labelled, Placed>();
  // Whoever has the least room around chooses first.
  const crowd = ({ x, y }: Labelled) =>
    points.filter((other) => Math.hypot(other.x - x, other.y - y) < 40).length;
  for (const point of [...points].sort((a, b) => crowd(b) - crowd(a))) {
    let best: { place: Placed; box: Box; cost: number } | undefined;
    for (const distance of DISTANCES) {
      for (const [dx, dy] of DIRECTIONS) {
        const box = boxAt(point, dx * distance, dy * distance);
        const far = distance > NEAR;
        const end = { x: box.left + box.width / 2, y: box.top + box.height / 2 };
        const crossed = far ? crossings(point, end, points, boxes, leaders) : 0;
        const covered = boxes.reduce((sum, other) => sum + overlap(box, other), outside(box, inside));
        const struck = leaders.filter(([from, to]) => hits(from, to, box)).length;
        const cost = covered * COVERED + (crossed + struck) * CROSSING + (distance - NEAR) * LENGTH;
        if (best !== undefined && cost >= best.cost) continue;
        best = { box, cost, place: { x: end.x, y: box.top + box.height * 0.8, far } };
      }
    }
    const { box, place } = best!;
    boxes.push(box);
    if (place.far) leaders.push([point, { x: place.x, y: box.top + box.height / 2 }]);
    placed.set(point, place);
  }
  return points.map((point) => placed.get(point)!);
}

interface Spot {
  readonly x: number;
  readonly y: number;
}

function markerBox({ x, y }: Spot): Box {
  return { left: x - MARKER, top: y - MARKER, width: 2 * MARKER, height: 2 * MARKER };
}

/** Other points, labels and lines that a line would go through. */
function crossings(
  from: Labelled,
  to: Spot,
  points: readonly Labelled[],
  boxes: readonly Box[],
  leaders: readonly (readonly [Spot, Spot])[],
): number {
  const others = points.filter((point) => point !== from && hits(from, to, markerBox(point))).length;
  const words = boxes.slice(points.length).filter((box) => hits(from, to, box)).length;
  return others + words + leaders.filter(([a, b]) => meet(from, to, a, b)).length;
}

/** Whether a line goes through a box: some points along it are looked at. */
function hits(from: Spot, to: Spot, box: Box): boolean {
  for (let step = 1; step <= 12; step++) {
    const x = from.x + ((to.x - from.x) * step) / 12;
    const y = from.y + ((to.y - from.y) * step) / 12;
    if (x > box.left && x < box.left + box.width && y > box.top && y < box.top + box.height) return true;
  }
  return false;
}

function meet(a: Spot, b: Spot, c: Spot, d: Spot): boolean {
  const side = (p: Spot, q: Spot, r: Spot) =>
    Math.sign((q.x - p.x) * (r.y - p.y) - (q.y - p.y) * (r.x - p.x));
  return side(a, b, c) !== side(a, b, d) && side(c, d, a) !== side(c, d, b);
}

function boxAt({ x, y, label }: Labelled, dx: number, dy: number): Box {
  const width = label.length * LABEL_SIZE * LETTER_WIDTH;
  const height = LABEL_SIZE;
  // Sideways the text begins beside the marker, however long it is.
  const shift = Math.abs(dx) < 1 ? 0 : Math.sign(dx) * Math.max(0, width / 2 - 4);
  return { left: x + dx + shift - width / 2, top: y + dy - height / 2, width, height };
}

function overlap(a: Box, b: Box): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

/** The area of a box that lies outside; counts more than covering something. */
function outside(box: Box, inside: Box): number {
  return (box.width * box.height - overlap(box, inside)) * 4;
}
