/* api-types.test.js: the JSDoc types hold in strict mode, the declarations are generated from them,
 * and a TypeScript app compiles against what was generated. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

function compile(project) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, '-p', project], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(status, 0, `${stdout}${stderr}`);
}

test('types hold, and an app compiles against the generated ones', () => {
  compile('tsconfig.json');
  assert.ok(existsSync(`${root}/types/web/index.d.ts`));
  // As npm run types does
  cpSync(`${root}/wasm-build/dist/spec.d.ts`, `${root}/types/wasm-build/dist/spec.d.ts`);
  compile('tests/types/tsconfig.json');
});
