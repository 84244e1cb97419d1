/* build.mjs: src/ -> wasm-build/dist/offstage.{base,simd}.wasm. `npm run build`.
 *
 * Emscripten's compiler, then the linker itself: no generated JavaScript, and not one import. What a file is made
 * of (sources, headers, flags, compiler) is hashed into a stamp beside it, and nothing is made twice from the same
 * input; a failed build leaves no file of an older one behind. Node's own modules only. */

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { ROOT, readList } from './lists.mjs';
import { SetupError, asCommand, ensureTools } from './setup.mjs';
import { findEmscripten } from './toolchain.mjs';
import { COMPILE, LINK, OPTIMIZE, OPTIMIZED, VARIANTS } from './variants.mjs';

const run = promisify(execFile);
const DIST = `${ROOT}wasm-build/dist/`;
const CACHE = `${ROOT}wasm-build/cache/`;

/** @param {...(string | Buffer)} parts */
function hash(...parts) {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(`${part.length}:`).update(part);
  return sum.digest('hex');
}

/** The headers' hash: small files, so that an object depends on all of them. */
function hashHeaders() {
  const files = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.h'));
  return hash(...files.sort().flatMap((name) => [name, readFileSync(`${ROOT}src/${name}`)]));
}

/**
 * Makes `file` by `make(temporary)` unless it was made from the same input.
 * @param {string} file @param {string} input hash @param {(temporary: string) => Promise<unknown>} make
 */
async function once(file, input, make) {
  const stamp = `${file}.stamp`;
  if (existsSync(file) && existsSync(stamp) && readFileSync(stamp, 'utf8') === input) return false;
  rmSync(file, { force: true });
  const temporary = `${file}.${process.pid}`;
  try {
    await make(temporary);
    renameSync(temporary, file);
    writeFileSync(stamp, input);
  } finally {
    rmSync(temporary, { force: true });
  }
  return true;
}

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

/**
 * Runs the jobs, as many at a time as there are cores.
 * @param {(() => Promise<unknown>)[]} jobs
 */
async function inParallel(jobs) {
  const queue = jobs.values();
  const worker = async () => {
    for (const job of queue) await job();
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

/** Compiles and links every variant; prints the sizes of what it made. */
export async function build() {
  const { emcc, version, wasmLd, wasmOpt } = findEmscripten();
  if (!emcc || !wasmLd) throw new SetupError('emcc or wasm-ld is missing: node wasm-build/setup.mjs build');
  const sources = readList('wasm-build/sources.txt');
  const exported = readList('wasm-build/exports.txt').map(({ name }) => name);
  mkdirSync(CACHE, { recursive: true });
  mkdirSync(DIST, { recursive: true });
  const headers = hashHeaders();

  /** @type {(() => Promise<unknown>)[]} */
  const jobs = [];
  const links = Object.entries(VARIANTS).map(([variant, flags]) => {
    const objects = sources.map(({ name, tags }) => {
      const level = OPTIMIZED[tags.includes('fast') ? 'kernel' : 'other'];
      const args = [...COMPILE, ...level, ...flags, '-Isrc', '-c', name];
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
