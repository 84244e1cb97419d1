/* build.mjs: src/ -> wasm-build/dist/offstage.{base,simd}.wasm. `npm run build`.
 *
 * Emscripten's compiler, then the linker itself: no generated JavaScript, and not one import. Nothing is made twice
 * from the same input. Node's own modules only. */

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { ROOT, readList } from './lists.mjs';
import { hash, hashHeaders, inParallel, once } from './once.mjs';
import { SetupError, asCommand, ensureTools } from './setup.mjs';
import { findEmscripten } from './toolchain.mjs';
import { LINK, OPTIMIZE, VARIANTS, flagsFor } from './variants.mjs';

const run = promisify(execFile);
const DIST = `${ROOT}wasm-build/dist/`;
const CACHE = `${ROOT}wasm-build/cache/`;

/** @param {string} file @param {string[]} args */
async function tool(file, args) {
  try {
    const { stderr } = await run(file, args, { cwd: ROOT });
    if (stderr.trim()) process.stderr.write(stderr);
  } catch (error) {
    const { stderr, message } = /** @type {Error & { stderr?: string }} */ (error);
    throw new SetupError(`the build failed:\n${stderr?.trim() || message}`);
  }
}

/** Compiles and links every variant; prints the sizes of what it made. */
export async function build() {
  const { emcc, version, wasmLd, wasmOpt } = findEmscripten();
  if (!emcc || !wasmLd) throw new SetupError('emcc or wasm-ld is missing: node wasm-build/setup.mjs build');
  const sources = readList('wasm-build/sources.txt');
  const exported = readList('wasm-build/exports.txt').map(({ name }) => name);
  mkdirSync(CACHE, { recursive: true });
  mkdirSync(DIST, { recursive: true });
  const headers = hashHeaders('src');

  /** @type {(() => Promise<unknown>)[]} */
  const jobs = [];
  const links = Object.keys(VARIANTS).map((variant) => {
    const objects = sources.map((source) => {
      const { name } = source;
      const args = [...flagsFor(source, variant), '-Isrc', '-c', name];
      const input = hash(version, emcc, headers, readFileSync(ROOT + name), ...args);
      const file = `${CACHE}${variant}.${name.replaceAll('/', '.')}.o`;
      jobs.push(() => once(file, input, (out) => tool(emcc, [...args, '-o', out])));
      return { file, input };
    });
    return { variant, objects };
  });
  await inParallel(jobs);

  for (const { variant, objects } of links) {
    const file = `${DIST}offstage.${variant}.wasm`;
    const args = [...LINK, ...exported.map((name) => `--export=${name}`), ...objects.map((object) => object.file)];
    const optimize = wasmOpt ? [wasmOpt, ...OPTIMIZE] : [];
    const made = await once(file, hash(version, ...args, ...optimize, ...objects.map((object) => object.input)), async (out) => {
      await tool(wasmLd, [...args, '-o', out]);
      if (wasmOpt) await tool(wasmOpt, [...OPTIMIZE, ...(variant === 'base' ? [] : ['--enable-simd']), out, '-o', out]);
      const imports = WebAssembly.Module.imports(new WebAssembly.Module(readFileSync(out)));
      if (imports.length) throw new SetupError(`${variant} imports ${imports.map((entry) => entry.name).join(', ')}; expected none`);
    });
    if (!made) continue;
    process.stdout.write(`wasm-build/dist/offstage.${variant}.wasm: ${statSync(file).size} bytes, ${gzipSync(readFileSync(file)).length} gzipped\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await asCommand(async () => {
    ensureTools(['build']);
    await build();
  });
}
