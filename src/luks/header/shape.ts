/** Looks at parsed JSON that anybody may have written, field by field, and writes down in sentences what is not as it must be. */

const MAX_PROBLEMS = 16;
/** No name, type or cipher in a header is longer; a whole JSON area could be. */
const MAX_STRING_LENGTH = 256;
/** Source: LUKS2_OBJECTS_MAX of luks2.h. */
const MAX_OBJECTS = 32;
const UINT32_MAX = 2 ** 32 - 1;

/** Sentences about what is wrong, of which the first few are enough. */
export class Problems {
  readonly sentences: string[] = [];

  add(sentence: string): void {
    if (this.sentences.length < MAX_PROBLEMS) this.sentences.push(sentence);
  }
}

/** A JSON object. What is asked for and is not there, or is something else, is a problem and undefined. */
export class Shape {
  private readonly fields: ReadonlyMap<string, unknown>;
  /** "keyslot 3" */
  private readonly where: string;
  private readonly problems: Problems;

  constructor(value: object, where: string, problems: Problems) {
    this.fields = new Map(Object.entries(value));
    this.where = where;
    this.problems = problems;
  }

  has(name: string): boolean {
    return this.fields.has(name);
  }

  complain(what: string): undefined {
    this.problems.add(`${this.where}: ${what}`);
    return undefined;
  }

  string(name: string): string | undefined {
    const value = this.fields.get(name);
    if (typeof value === 'string' && value !== '' && value.length <= MAX_STRING_LENGTH) return value;
    return this.complain(`"${name}" is no name`);
  }

  uint32(name: string): number | undefined {
    const value = this.fields.get(name);
    if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= UINT32_MAX)
      return value;
    return this.complain(`"${name}" is no number`);
  }

  /** What a number stands for; nobody minds what it is. */
  choice<T>(name: string, meanings: readonly T[], otherwise: T): T {
    const value = this.fields.get(name);
    return typeof value === 'number' ? (meanings[value] ?? otherwise) : otherwise;
  }

  /** Offsets and sizes are strings of digits, as JSON's numbers are too short for them. */
  decimal(name: string): number | undefined {
    const value = this.fields.get(name);
    if (typeof value === 'string' && /^\d{1,20}$/.test(value) && Number.isSafeInteger(Number(value)))
      return Number(value);
    return this.complain(`"${name}" is no offset or size`);
  }

  object(name: string): Shape | undefined {
    const value = this.fields.get(name);
    if (isObject(value)) return new Shape(value, `${this.where}, ${name}`, this.problems);
    return this.complain(`"${name}" is no object`);
  }

  /** The numbered objects in an object: `"keyslots": {"0": {…}, "5": {…}}`, in the order of their numbers. */
  numbered(name: string, what: string): { readonly id: number; readonly shape: Shape }[] {
    const value = this.fields.get(name);
    if (!isObject(value)) {
      this.complain(`"${name}" is no object`);
      return [];
    }
    const entries = Object.entries(value);
    if (entries.length > MAX_OBJECTS) this.complain(`"${name}" has more than ${MAX_OBJECTS} entries`);
    const found = entries.slice(0, MAX_OBJECTS).flatMap(([key, each]) => {
      const id = idOf(key);
      if (id !== undefined && isObject(each))
        return [{ id, shape: new Shape(each, `${what} ${id}`, this.problems) }];
      this.complain(`"${name}" has an entry that is no numbered ${what}`);
      return [];
    });
    return found.sort((a, b) => a.id - b.id);
  }

  /** Numbers of other objects: `"keyslots": ["0", "1"]`. */
  references(name: string): number[] {
    return this.strings(name).flatMap((text) => {
      const id = idOf(text);
      if (id === undefined) this.complain(`"${name}" has something that is no number`);
      return id === undefined ? [] : [id];
    });
  }

  strings(name: string): string[] {
    const value = this.fields.get(name);
    const isStrings = (all: unknown[]): all is string[] =>
      all.every((each) => typeof each === 'string' && each.length <= MAX_STRING_LENGTH);
    if (Array.isArray(value) && value.length <= MAX_OBJECTS && isStrings(value)) return value;
    this.complain(`"${name}" is no list of names`);
    return [];
  }
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function idOf(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,5})$/.test(text) ? Number(text) : undefined;
}
