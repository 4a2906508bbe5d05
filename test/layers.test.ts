/** The dependency rule of docs/design: which room of src/ may import which, and what only one room may touch. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../src');

/** From the top down; rooms in one row may not import each other. */
const ROWS: readonly (readonly string[])[] = [
  ['cli'],
  ['bench', 'inspect'],
  ['workers'],
  ['salvage'],
  ['filter', 'write', 'luks'],
  ['sme'],
  ['kernel'],
  ['arch'],
  ['read'],
  ['codec'],
  ['native'],
];
/** Files that every room may import, and which import nothing but each other. */
const FOR_ALL = ['errors.ts', 'struct.ts', 'units.ts'];
/** The library's public face may import every room but cli. */
const FACE = 'index.ts';
/** Not of src/: it has the version. */
const MANIFEST = '../../package.json';

interface SourceFile {
  readonly path: string;
  readonly room: string;
  readonly imports: readonly { readonly to: string; readonly atLoad: boolean }[];
  readonly tree: ts.SourceFile;
}

/** Behind the name of a file whose text is taken, whatever it is. */
const AS_TEXT = '?raw';
const isThere = (path: string) =>
  path.endsWith(AS_TEXT) ? existsSync(join(root, path.slice(0, -AS_TEXT.length))) : paths.includes(path);

const paths = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((p) => p.endsWith('.ts'));
const files = paths.sort().map(readSource);
const edges = files.flatMap(edgesOf);
const rankOf = (room: string) => ROWS.findIndex((row) => row.includes(room));

describe('the rooms of src/', () => {
  it('are all known, so that each has its place in the order', () => {
    expect(files.filter((f) => f.room !== '' && rankOf(f.room) < 0).map((f) => f.path)).toEqual([]);
    expect(files.length).toBeGreaterThan(30);
  });

  it('have no loose files but those that every room may import', () => {
    const loose = files.filter((f) => f.room === '').map((f) => f.path);
    expect(loose.filter((path) => ![...FOR_ALL, FACE].includes(path))).toEqual([]);
  });

  it('import only downwards, and never their neighbour in the same row', () => {
    const wrong = edges.flatMap(({ from, to }) => {
      if (FOR_ALL.includes(to.path) || from.room === to.room) return [];
      const allowed =
        from.path === FACE ? to.room !== 'cli' : from.room !== '' && rankOf(from.room) < rankOf(to.room);
      return allowed ? [] : [`${from.path} imports ${to.path}`];
    });
    expect(wrong).toEqual([]);
  });

  it('import each other by the path of a file that exists', () => {
    const missing = files.flatMap((from) =>
      from.imports
        .filter(({ to }) => to.startsWith('.') && to !== MANIFEST && !isThere(target(from, to)))
        .map(({ to }) => `${from.path}: ${to}`),
    );
    expect(missing).toEqual([]);
  });

  it('have no cycles of imports that are done when a file is loaded (not those of types, nor import() on demand)', () => {
    const next = new Map(
      files.map((f) => [f.path, edges.filter((e) => e.from === f && e.atLoad).map((e) => e.to.path)]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) {
        cycles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
        return;
      }
      if (done.has(path)) return;
      done.add(path);
      for (const to of next.get(path) ?? []) visit(to, [...trail, path]);
    };
    for (const path of next.keys()) visit(path, []);
    expect(cycles).toEqual([]);
  });
});

describe('what one room has for itself', () => {
  it('is koffi, for src/native', () => {
    const users = files.filter((f) => stringsOf(f.tree).some((text) => text === 'koffi')).map((f) => f.room);
    expect(new Set(users)).toEqual(new Set(['native']));
  });

  it('is the terminal, the command line and the exit code, for src/cli', () => {
    const OWNED = [
      'stdout',
      'stderr',
      'stdin',
      'argv',
      'argv0',
      'exit',
      'exitCode',
      'abort',
      'on',
      'once',
      'env',
    ];
    const uses = files
      .filter((f) => f.room !== 'cli')
      .flatMap((f) =>
        propertiesOf(f.tree)
          .filter(
            ({ object, name }) =>
              /(^|\.)console$/.test(object) || (/(^|\.)process$/.test(object) && OWNED.includes(name)),
          )
          .map(({ object, name }) => `${f.path}: ${object}.${name}`),
      );
    expect(uses).toEqual([]);
    const imports = files
      .filter((f) => f.room !== 'cli')
      .flatMap((f) => f.imports.filter(({ to }) => /^(node:)?(process|console|tty|readline)$/.test(to)));
    expect(imports).toEqual([]);
  });
});

describe('the rule itself', () => {
  it('sees a use of the terminal and a string of a module', () => {
    const tree = ts.createSourceFile(
      'x.ts',
      "process.stdout.write(''); console.log(await import('koffi'))",
      99,
    );
    expect(propertiesOf(tree)).toContainEqual({ object: 'process', name: 'stdout' });
    expect(propertiesOf(tree)).toContainEqual({ object: 'console', name: 'log' });
    expect(stringsOf(tree)).toContain('koffi');
  });
});

function edgesOf(from: SourceFile): { from: SourceFile; to: SourceFile; atLoad: boolean }[] {
  return from.imports.flatMap(({ to, atLoad }) => {
    const file = to.startsWith('.') ? files.find((f) => f.path === target(from, to)) : undefined;
    return file ? [{ from, to: file, atLoad }] : [];
  });
}

function target(from: SourceFile, specifier: string): string {
  return relative(root, resolve(root, dirname(from.path), specifier));
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports: { to: string; atLoad: boolean }[] = [];
  walk(tree, (node) => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
      const typeOnly = ts.isImportDeclaration(node)
        ? node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
        : node.isTypeOnly;
      imports.push({ to: (node.moduleSpecifier as ts.StringLiteral).text, atLoad: !typeOnly });
    }
    const [argument] = ts.isCallExpression(node) ? node.arguments : [];
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && argument) {
      if (ts.isStringLiteral(argument)) imports.push({ to: argument.text, atLoad: false });
    }
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      imports.push({ to: (node.argument.literal as ts.StringLiteral).text, atLoad: false });
    }
  });
  const room = path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
  return { path, room, imports, tree };
}

function walk(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => walk(child, see));
}

function stringsOf(tree: ts.SourceFile): string[] {
  const strings: string[] = [];
  walk(tree, (node) => {
    if (ts.isStringLiteralLike(node)) strings.push(node.text);
  });
  return strings;
}

function propertiesOf(tree: ts.SourceFile): { object: string; name: string }[] {
  const found: { object: string; name: string }[] = [];
  walk(tree, (node) => {
    if (ts.isPropertyAccessExpression(node)) {
      found.push({ object: node.expression.getText(tree), name: node.name.text });
    }
  });
  return found;
}
