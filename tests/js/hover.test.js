/* hover.test.js: an editor shows what every option and every number means: each property of what an
 * app writes and of what it is told has a text, by TypeScript's own reading of the types. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FILE = `${ROOT}tests/types/hover.ts`;
/** Types of index.js; those of layers, losses and optimizers are below Spec. */
const TYPES = [
  'Spec',
  'TrainerOptions',
  'FitOptions',
  'Info',
  'Status',
  'Progress',
  'Result',
  'Epoch',
  'Evaluation',
  'Prediction',
  'RunRecord',
  'StoredTrainer',
  'Weight',
];
const TEXT = [
  `import type { Trainer, ${TYPES.join(', ')} } from '../../web/index.js';`,
  ...TYPES.map((name) => `export declare const a${name}: ${name};`),
  "export declare const aPredictOptions: Parameters<Trainer['predict']>[1];",
  "export declare const anEvaluateOptions: Parameters<Trainer['evaluate']>[2];",
].join('\n');

/** The types as an app's editor reads them, of a file that stands nowhere. */
function open() {
  const config = ts.readConfigFile(`${ROOT}tsconfig.json`, ts.sys.readFile).config;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (file) => file === FILE || fileExists(file);
  host.getSourceFile = (file, version, ...rest) =>
    file === FILE
      ? ts.createSourceFile(file, TEXT, version)
      : getSourceFile.call(host, file, version, ...rest);
  const program = ts.createProgram([FILE], { ...options, noEmit: true }, host);
  return { checker: program.getTypeChecker(), file: program.getSourceFile(FILE) };
}

test('every option of an app, and every number that it is told, has a text', () => {
  const { checker, file } = open();
  const seen = new Set();
  const bare = [];
  let told = 0;
  function look(given, path) {
    const type = checker.getNonNullableType(given);
    if (type.isUnion()) return type.types.forEach((each) => look(each, path));
    const { flags } = type;
    if (!(flags & ts.TypeFlags.Object) && !type.isIntersection()) return;
    if (seen.has(type) || type.getCallSignatures().length > 0) return;
    seen.add(type);
    const element = checker.getIndexTypeOfType(type, ts.IndexKind.Number);
    if (element) return look(element, `${path}[]`);
    for (const property of type.getProperties()) {
      const [declared] = property.getDeclarations() ?? [];
      if (declared?.getSourceFile().fileName.includes('/node_modules/')) continue;
      const name = `${path}.${property.name}`;
      told++;
      if (property.getDocumentationComment(checker).length === 0) bare.push(name);
      look(checker.getTypeOfSymbolAtLocation(property, file), name);
    }
  }
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name } of statement.declarationList.declarations) {
      look(checker.getTypeAtLocation(name), name.text.replace(/^an?/, ''));
    }
  }
  assert.deepEqual(bare, []);
  assert.ok(told > 500, `${told} were looked at`);
});
