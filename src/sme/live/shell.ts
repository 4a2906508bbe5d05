/** Reads files of shell assignments (/etc/sysconfig/kdump, /etc/default/kdump-tools) without a shell: nothing in them is run. */

export interface Assignments {
  readonly values: ReadonlyMap<string, string>;
  /** Where the file is more than assignments; then nothing of it is certain. */
  readonly trouble: string | undefined;
}

/** NAME+= is bash's; to sh it is a command that is not there. */
export type Shell = 'sh' | 'bash';

/** References to other values may multiply what is there. */
const MAX_VALUE_LENGTH = 64 * 1024;

class NotPlain extends Error {}

/** NAME=value, NAME="…", NAME='…', NAME+=…, $NAME of what was set above, comments, lines that go on behind a backslash. */
export function parseAssignments(text: string, shell: Shell): Assignments {
  const values = new Map<string, string>();
  const reader = new Reader(text, values);
  try {
    while (reader.skipToWord()) {
      const head = reader.take(/([A-Za-z_]\w*)(\+?)=/y);
      if (head === undefined) throw new NotPlain();
      const [, name, plus] = head;
      if (plus === '+' && shell === 'sh') throw new NotPlain();
      values.set(name, (plus === '+' ? (values.get(name) ?? '') : '') + reader.value());
      reader.take(/(?:[ \t]|\\\n)*;/y);
    }
    return { values, trouble: undefined };
  } catch (error) {
    if (!(error instanceof NotPlain)) throw error;
    return { values, trouble: `line ${reader.line} is no plain assignment` };
  }
}

/** In all of these a backslash before the end of a line stands for nothing; group 1 is what a backslash leaves. */
const BARE = /\\\n|\\(.)|[^ \t\n;'"\\$`&|<>()]+/y;
const IN_DOUBLE_QUOTES = /\\\n|\\(["\\$`])|\\|[^"\\$`]+/y;
/** Behind $NAME a joined line could make the name longer. */
const REFERENCE = /\$(?:([A-Za-z_]\w*)(?!\w|\\\n)|\{([A-Za-z_]\w*)\})/y;

class Reader {
  private readonly text: string;
  private readonly values: ReadonlyMap<string, string>;
  private at = 0;
  private wordAt = 0;

  constructor(text: string, values: ReadonlyMap<string, string>) {
    this.text = text;
    this.values = values;
  }

  /** Where the word that is being read begins. */
  get line(): number {
    return this.text.slice(0, this.wordAt).split('\n').length;
  }

  take(sticky: RegExp): RegExpExecArray | undefined {
    sticky.lastIndex = this.at;
    const match = sticky.exec(this.text);
    if (match === null) return undefined;
    this.at += match[0].length;
    return match;
  }

  /** False at the end of the file. */
  skipToWord(): boolean {
    while (this.take(/[ \t\n]+|#[^\n]*|\\\n/y) !== undefined);
    this.wordAt = this.at;
    return this.at < this.text.length;
  }

  /** What stands behind the "=", up to a blank or a semicolon. */
  value(): string {
    let value = '';
    for (;;) {
      const piece = this.quoted() ?? this.reference() ?? this.literal(BARE);
      if (piece === undefined) break;
      value = joined(value, piece);
    }
    if (this.at < this.text.length && !/[ \t\n;]/.test(this.text[this.at])) throw new NotPlain();
    return value;
  }

  private quoted(): string | undefined {
    const single = this.take(/'([^']*)'/y);
    if (single !== undefined) return single[1];
    if (this.take(/"/y) === undefined) return undefined;
    let value = '';
    while (this.take(/"/y) === undefined) {
      const piece = this.reference() ?? this.literal(IN_DOUBLE_QUOTES);
      if (piece === undefined) throw new NotPlain();
      value = joined(value, piece);
    }
    return value;
  }

  private reference(): string | undefined {
    const name = this.take(REFERENCE);
    return name === undefined ? undefined : (this.values.get(name[1] ?? name[2]) ?? '');
  }

  private literal(sticky: RegExp): string | undefined {
    const piece = this.take(sticky);
    return piece?.[0] === '\\\n' ? '' : (piece?.[1] ?? piece?.[0]);
  }
}

function joined(value: string, piece: string): string {
  if (value.length + piece.length > MAX_VALUE_LENGTH) throw new NotPlain();
  return value + piece;
}
