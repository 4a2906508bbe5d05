/** The JSON Schema of `--json`, made of the types of src/cli/json.ts and what is written beside their fields. */
import { resolve } from 'node:path';
import ts from 'typescript';

export interface Schema {
  [key: string]: unknown;
}

const FILE = resolve(import.meta.dirname, '../../src/cli/json.ts');
const CONFIG = resolve(import.meta.dirname, '../../tsconfig.json');
const BIGINT = { type: 'string', pattern: '^0x[0-9a-f]+$' };

/** `closed`: fields that the types do not have are refused; who reads the output must not mind them. */
export function makeSchema(closed = false): Schema {
  const { config } = ts.readConfigFile(CONFIG, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, resolve(CONFIG, '..'));
  const program = ts.createProgram([FILE], options);
  return new Maker(program, closed).schema();
}

class Maker {
  private readonly checker: ts.TypeChecker;
  private readonly source: ts.SourceFile;
  private readonly closed: boolean;
  private readonly definitions = new Map<string, { readonly type: ts.Type; schema: Schema }>();

  constructor(program: ts.Program, closed: boolean) {
    this.checker = program.getTypeChecker();
    this.source = program.getSourceFile(FILE)!;
    this.closed = closed;
  }

  schema(): Schema {
    const reports = this.checker.getPropertiesOfType(this.exported('Reports'));
    const ofCommands = reports.map((symbol) => ({
      type: 'object',
      ...this.described(symbol),
      properties: {
        smelt: { const: 1 },
        command: { const: symbol.name },
        report: this.of(this.checker.getTypeOfSymbolAtLocation(symbol, this.source)),
      },
      required: ['smelt', 'command', 'report'],
      additionalProperties: !this.closed,
    }));
    const failure = this.of(this.exported('JsonFailure'));
    const defined = [...this.definitions].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'What smelt prints with --json',
      description: 'One object, on one line. A value that is not known is null; 64-bit numbers are text.',
      oneOf: [...ofCommands, failure],
      $defs: Object.fromEntries(defined.map(([name, { schema }]) => [name, schema])),
    };
  }

  private exported(name: string): ts.Type {
    const module = this.checker.getSymbolAtLocation(this.source)!;
    const symbol = this.checker.getExportsOfModule(module).find((each) => each.name === name)!;
    return this.checker.getDeclaredTypeOfSymbol(symbol);
  }

  private of(type: ts.Type): Schema {
    if (type.isUnion()) return this.ofUnion(type);
    const { flags } = type;
    if (flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)) return { type: 'null' };
    if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
    if (flags & ts.TypeFlags.BooleanLiteral) return { const: this.checker.typeToString(type) === 'true' };
    if (flags & ts.TypeFlags.StringLike) return { type: 'string' };
    if (flags & ts.TypeFlags.NumberLike) return { type: 'number' };
    if (flags & ts.TypeFlags.BooleanLike) return { type: 'boolean' };
    if (flags & ts.TypeFlags.BigIntLike) return BIGINT;
    if (this.checker.isArrayType(type)) return { type: 'array', items: this.of(this.argumentsOf(type)[0]!) };
    if (this.checker.isTupleType(type)) {
      const items = this.argumentsOf(type).map((each) => this.of(each));
      return { type: 'array', prefixItems: items, minItems: items.length, maxItems: items.length };
    }
    if (type.getCallSignatures().length > 0 || isOfLibrary(type))
      throw new Error(`${this.checker.typeToString(type)} is nothing that JSON has`);
    return this.named(type) ?? this.ofObject(type);
  }

  /** What has a name stands in $defs, once. */
  private named(type: ts.Type): Schema | undefined {
    const isPlain = type.aliasTypeArguments === undefined && type.symbol?.name !== '__type';
    const name = type.aliasSymbol?.name ?? type.symbol?.name;
    if (name === undefined || name.startsWith('__') || (!isPlain && type.aliasSymbol === undefined))
      return undefined;
    if ((type.aliasTypeArguments ?? this.argumentsOf(type)).length > 0) return undefined;
    let unique = name;
    for (let n = 2; this.definitions.has(unique) && this.definitions.get(unique)!.type !== type; n++)
      unique = `${name}${n}`;
    if (!this.definitions.has(unique)) {
      const definition = { type, schema: {} as Schema };
      this.definitions.set(unique, definition);
      definition.schema = { ...this.described(type.aliasSymbol ?? type.symbol), ...this.ofObject(type) };
    }
    return { $ref: `#/$defs/${unique}` };
  }

  private argumentsOf(type: ts.Type): readonly ts.Type[] {
    return type.flags & ts.TypeFlags.Object && (type as ts.ObjectType).objectFlags & ts.ObjectFlags.Reference
      ? this.checker.getTypeArguments(type as ts.TypeReference)
      : [];
  }

  private ofUnion(type: ts.UnionType): Schema {
    const schemas = type.types.map((each) => this.of(each));
    const values = schemas.flatMap((each) => ('const' in each ? [each.const] : []));
    const others = schemas.filter((each) => !('const' in each));
    const isBoolean = values.includes(true) && values.includes(false);
    const texts = values.filter((value) => typeof value !== 'boolean' || !isBoolean);
    const all = [
      ...(isBoolean ? [{ type: 'boolean' }] : []),
      ...(texts.length > 0 ? [{ enum: texts }] : []),
      ...others,
    ];
    const types = all
      .map((each) => each as Schema)
      .map((each) => Object.keys(each).length === 1 && each.type);
    if (all.length === 1) return all[0]!;
    return types.every((each) => typeof each === 'string') ? { type: types } : { anyOf: all };
  }

  private ofObject(type: ts.Type): Schema {
    const properties: Record<string, Schema> = {};
    const required: string[] = [];
    for (const symbol of this.checker.getPropertiesOfType(type)) {
      const isOptional = (symbol.flags & ts.SymbolFlags.Optional) !== 0;
      properties[symbol.name] = {
        ...this.described(symbol),
        ...this.of(this.checker.getTypeOfSymbolAtLocation(symbol, this.source)),
      };
      if (!isOptional) required.push(symbol.name);
    }
    const index = this.checker.getIndexTypeOfType(type, ts.IndexKind.String);
    return {
      type: 'object',
      properties,
      required,
      additionalProperties: index === undefined ? !this.closed : this.of(index),
    };
  }

  private described(symbol: ts.Symbol): Schema {
    const text = ts.displayPartsToString(symbol.getDocumentationComment(this.checker)).replace(/\s+/g, ' ');
    return text === '' ? {} : { description: text };
  }
}

/** Map, Uint8Array … */
function isOfLibrary({ symbol }: ts.Type): boolean {
  return (
    symbol?.declarations?.some((each) =>
      /\/typescript\/lib\/|\/@types\//.test(each.getSourceFile().fileName),
    ) === true && !['Record', 'Partial', 'Readonly', 'Pick', 'Omit', '__type'].includes(symbol.name)
  );
}
