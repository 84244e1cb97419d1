/* build.mjs: src/ -> wasm-build/dist/offstage.[SET.]VARIANT.wasm; spec.d.ts and the scripts of
 * bundles.mjs beside them. `npm run build`.
 *
 * Emscripten's compiler, then the linker itself: no generated JavaScript, and no import but a
 * shared memory. Nothing is made twice from the same input. Where no LLVM for relaxed SIMD is to be
 * had, all other variants are made and the build says so. Statically it imports Node's own modules
 * only. */

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { gzipSync } from 'node:zlib';
import { bundleAll } from './bundles.mjs';
import { ROOT } from './lists.mjs';
import { hash, hashHeaders, inParallel, once } from './once.mjs';
import { withLinkedData } from './sections.mjs';
import { SetupError, asCommand, ensurePackages, ensureTools } from './setup.mjs';
import { schemaOf, typesOf } from './spec-types.mjs';
import { WITHOUT_RELAXED, findEmscripten, findRelaxedLlvm } from './toolchain.mjs';
import {
  SET_NAMES,
  VARIANTS,
  VARIANT_NAMES,
  fileOf,
  flagsFor,
  linkFlagsFor,
  optimizeFlagsFor,
  sourcesFor,
} from './variants.mjs';

/** @typedef {import('./variants.mjs').VariantName} VariantName */
/** @typedef {import('./variants.mjs').SetName} SetName */

const run = promisify(execFile);
const DIST = `${ROOT}wasm-build/dist/`;
const CACHE = `${ROOT}wasm-build/cache/`;

/** @param {string} file @param {string[]} args @param {Record<string, string>} [env] */
async function tool(file, args, env) {
  try {
    const { stderr } = await run(file, args, { cwd: ROOT, env: { ...process.env, ...env } });
    if (stderr.trim()) process.stderr.write(stderr);
  } catch (error) {
    const { stderr, message } = /** @type {Error & { stderr?: string }} */ (error);
    throw new SetupError(`the build failed:\n${stderr?.trim() || message}`);
  }
}

/**
 * What compiles and links a variant, or why nothing does.
 * @param {VariantName} variant @param {ReturnType<typeof findEmscripten>} emscripten
 */
function toolsFor(variant, { emcc, version, wasmLd, wasmOpt }) {
  if (!emcc || !wasmLd) {
    throw new SetupError('emcc or wasm-ld is missing: node wasm-build/setup.mjs build');
  }
  if (!VARIANTS[variant].relaxed) {
    return { emcc, wasmLd, wasmOpt, env: {}, id: hash(version, emcc) };
  }
  const llvm = findRelaxedLlvm();
  if (!llvm) return null;
  const { env } = llvm;
  const id = hash(version, emcc, JSON.stringify(env), llvm.version);
  return { emcc, wasmLd: llvm.wasmLd ?? wasmLd, wasmOpt, env, id };
}

/**
 * A variant needs nothing of JavaScript but, where it is shared, its memory.
 * @param {VariantName} variant @param {string} file
 */
function checkImports(variant, file) {
  const bytes = readFileSync(file);
  // Node 20 has relaxed SIMD behind a flag, which may be set late.
  if (VARIANTS[variant].relaxed && !WebAssembly.validate(bytes)) {
    setFlagsFromString('--experimental-wasm-relaxed-simd');
  }
  const found = WebAssembly.Module.imports(new WebAssembly.Module(bytes));
  const imports = found.map(({ module, name }) => `${module}.${name}`);
  const expected = VARIANTS[variant].shared ? 'env.memory' : '';
  if (imports.join() !== expected) {
    throw new SetupError(
      `${variant} imports ${imports.join(', ') || 'nothing'}; ` +
        `expected ${expected || 'nothing'}`,
    );
  }
}

/**
 * Variant and set as the files of the cache are named.
 * @param {VariantName} variant
 * @param {SetName} set
 */
const label = (variant, set) => fileOf(variant, set).slice('offstage.'.length, -'.wasm'.length);

/**
 * @param {VariantName} variant @param {SetName} set
 * @param {NonNullable<ReturnType<typeof toolsFor>>} tools @param {string} headers hash
 * @returns what makes the objects, which all sets of a variant share, and what makes the file of
 *   them
 */
function plan(variant, set, { emcc, wasmLd, wasmOpt, env, id }, headers) {
  const objects = sourcesFor(variant, set).map((source) => {
    const args = [...flagsFor(source, variant), '-Isrc', '-c', source.name];
    const input = hash(id, headers, readFileSync(ROOT + source.name), ...args);
    const file = `${CACHE}${variant}.${source.name.replaceAll('/', '.')}.o`;
    const make = () => once(file, input, (out) => tool(emcc, [...args, '-o', out], env));
    return { file, input, make };
  });
  const file = `${DIST}${fileOf(variant, set)}`;
  // Which source the bytes are of: for `npm run bench -- size`.
  const map = `--Map=${CACHE}${label(variant, set)}.map`;
  const args = [...linkFlagsFor(variant), map, ...objects.map((object) => object.file)];
  const flags = optimizeFlagsFor(variant);
  const optimize = wasmOpt && flags ? [wasmOpt, ...flags] : [];
  const input = hash(id, ...args, ...optimize, ...objects.map((object) => object.input));
  const link = () =>
    once(file, input, async (out) => {
      await tool(wasmLd, [...args, '-o', out]);
      if (wasmOpt && flags) {
        const linked = readFileSync(out);
        await tool(wasmOpt, [...flags, out, '-o', out]);
        writeFileSync(out, withLinkedData(linked, readFileSync(out)));
      }
      checkImports(variant, out);
    });
  return { file, objects, link };
}

/** Compiles and links every variant; prints the sizes of what it made. */
export async function build() {
  const emscripten = findEmscripten();
  mkdirSync(CACHE, { recursive: true });
  mkdirSync(DIST, { recursive: true });
  const headers = hashHeaders('src');
  const plans = VARIANT_NAMES.flatMap((variant) => {
    const tools = toolsFor(variant, emscripten);
    if (tools) return SET_NAMES.map((set) => plan(variant, set, tools, headers));
    // One of an older input may not stay beside the others.
    for (const file of SET_NAMES.map((set) => `${DIST}${fileOf(variant, set)}`)) {
      for (const end of ['', '.stamp']) rmSync(`${file}${end}`, { force: true });
    }
    process.stdout.write(`wasm-build/dist/${fileOf(variant)}: not built: ${WITHOUT_RELAXED}\n`);
    return [];
  });
  const objects = new Map(
    plans.flatMap((each) => each.objects.map(({ file, make }) => [file, make])),
  );
  await inParallel(objects.values());
  const made = new Set();
  await inParallel(
    plans.map(({ file, link }) => async () => {
      if (await link()) made.add(file);
    }),
  );
  for (const { file } of plans) {
    const note = made.has(file) ? '' : ' (as it was)';
    const bytes = readFileSync(file);
    const sizes = `${bytes.length} bytes, ${gzipSync(bytes).length} gzipped`;
    process.stdout.write(`${relative(ROOT, file)}: ${sizes}${note}\n`);
  }
  writeFileSync(`${DIST}spec.d.ts`, typesOf(await schemaOf()));
  await bundleAll();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await asCommand(async () => {
    ensureTools(['build']);
    ensurePackages();
    await build();
  });
}
