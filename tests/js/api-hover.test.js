/* api-hover.test.js: what an editor shows of the generated types: every option that an app writes
 * has a hover text, one with a default where it may be left out, what it is told has one, and no
 * public type says any. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { createRequire } from 'node:module';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const index = `${root}types/web/index.d.ts`;

/** @type {ts.TypeChecker} */
let checker;
/** @type {Map<string, ts.Symbol>} what the package exports */
let names;

before(() => {
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.json'], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout);
  cpSync(`${root}wasm-build/dist/spec.d.ts`, `${root}types/wasm-build/dist/spec.d.ts`);
  const program = ts.createProgram([index], {
    strict: true,
    types: [],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  });
  checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(index));
  names = new Map(checker.getExportsOfModule(module).map((each) => [each.name, each]));
});

/** Whether a symbol is declared by this package, and not by the language. @param {ts.Symbol} of */
const isOwn = (of) =>
  of.declarations?.some((each) => each.getSourceFile().fileName.startsWith(root + 'types/'));

/**
 * Calls back for each property of a type, of its members and of what they hold.
 * @param {ts.Type} type
 * @param {string} path
 * @param {(property: ts.Symbol, type: ts.Type, path: string) => void} each
 * @param {Set<ts.Type>} [seen]
 */
function walk(type, path, each, seen = new Set()) {
  if (seen.has(type)) return;
  seen.add(type);
  if (type.isUnionOrIntersection() && type.isUnion()) {
    for (const one of type.types) walk(one, path, each, seen);
    return;
  }
  if (checker.isArrayLikeType(type)) {
    for (const one of checker.getTypeArguments(/** @type {ts.TypeReference} */ (type)))
      walk(one, path, each, seen);
    return;
  }
  const held = type.getStringIndexType();
  if (held) walk(held, path, each, seen);
  for (const property of type.getProperties()) {
    if (!isOwn(property) || /^(__|#)/.test(property.name)) continue;
    const own = checker.getTypeOfSymbol(property);
    const where = `${path}.${property.name}`;
    each(property, own, where);
    if (own.getCallSignatures().length === 0) walk(own, where, each, seen);
  }
}

/** @param {string} name @returns {ts.Type} */
const exported = (name) =>
  checker.getDeclaredTypeOfSymbol(
    names.get(name).flags & ts.SymbolFlags.Alias
      ? checker.getAliasedSymbol(names.get(name))
      : names.get(name),
  );

const OPTIONS = [
  'Spec',
  'TrainerOptions',
  'FitOptions',
  'EvaluateOptions',
  'PredictOptions',
  'StoredOptions',
];

for (const name of OPTIONS) {
  test(`every option of ${name} has its text, and its default where it may be left out`, () => {
    const without = [];
    let count = 0;
    walk(exported(name), name, (property, type, path) => {
      count++;
      const text = ts.displayPartsToString(property.getDocumentationComment(checker));
      const optional = property.flags & ts.SymbolFlags.Optional;
      if (!text || (optional && !/Default: ./.test(text.replace(/\s+/g, ' ')))) {
        without.push(`${path}: ${text || 'no text'}`);
      }
    });
    assert.deepEqual(without, []);
    assert.ok(count >= 2, `${count} options`);
  });
}

/** What an app is told. */
const TOLD = [
  'Info',
  'Status',
  'Progress',
  'Epoch',
  'Result',
  'RunRecord',
  'Prediction',
  'Evaluation',
  'Weight',
  'StoredTrainer',
];

for (const name of TOLD) {
  test(`every number and word of ${name} has its text`, () => {
    const without = [];
    walk(exported(name), name, (property, type, path) => {
      if (property.getDocumentationComment(checker).length === 0) without.push(path);
    });
    assert.deepEqual(without, []);
  });
}

test('no property, parameter or result of a public type is any, but a rejection as in Promise', () => {
  const found = [];
  const isAny = (/** @type {ts.Type} */ type) => (type.flags & ts.TypeFlags.Any) !== 0;
  for (const [name, symbol] of names) {
    const own = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const type =
      own.flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Variable)
        ? checker.getTypeOfSymbol(own)
        : checker.getDeclaredTypeOfSymbol(own);
    const look = (/** @type {ts.Type} */ each, /** @type {string} */ path) => {
      if (isAny(each)) found.push(path);
      for (const call of each.getCallSignatures()) {
        if (isAny(call.getReturnType())) found.push(`${path}()`);
        for (const parameter of call.getParameters()) {
          if (isAny(checker.getTypeOfSymbol(parameter))) found.push(`${path}(${parameter.name})`);
        }
      }
    };
    look(type, name);
    walk(type, name, (property, each, path) => look(each, path));
  }
  assert.deepEqual(found, []);
});
