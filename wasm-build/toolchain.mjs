/* toolchain.mjs: finds the programs that the builds and tests need, and tells what each is called
 * in a package.
 *
 * It looks and reports; installing is setup.mjs's. Looking must be quick, because every command
 * begins with it: files are looked for, and only what no file tells is asked of a program. Node's
 * own modules only. */

import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, realpathSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** Emscripten versions that the build accepts. 3.1.6 (Debian 12) is the one it is tested with. */
export const EMSCRIPTEN = { known: '3.1.6', from: [3, 1, 6], below: [5, 0, 0] };

const EXE = process.platform === 'win32' ? ['.exe', '.bat', ''] : [''];

/**
 * @param {...string} names
 * @returns {string | undefined} the first of the programs that is on the PATH
 */
export function findProgram(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      for (const suffix of EXE) {
        const file = join(folder, name + suffix);
        if (folder && isExecutable(file)) return file;
      }
    }
  }
  return undefined;
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} file @param {string[]} args */
function ask(file, ...args) {
  try {
    return execFileSync(file, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return '';
  }
}

/** Emscripten's compiler and the linker and optimizer that came with it. */
export function findEmscripten() {
  const emcc = findProgram('emcc');
  if (!emcc) {
    return { emcc, version: '', wasmLd: findProgram('wasm-ld', 'wasm-ld-14'), wasmOpt: undefined };
  }
  const home = dirname(realpathSync(emcc));
  const own = join(home, '..', 'bin'); // where emsdk keeps LLVM; Debian has it on the PATH
  const from = (/** @type {string} */ name) =>
    EXE.map((x) => join(own, name + x)).find(isExecutable);
  // Saves the start of Python that --version takes.
  const file = join(home, 'emscripten-version.txt');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : ask(emcc, '--version');
  return {
    emcc,
    version: /\d+\.\d+\.\d+/.exec(text)?.[0] ?? '',
    wasmLd: from('wasm-ld') ?? findProgram('wasm-ld', 'wasm-ld-14'),
    wasmOpt: from('wasm-opt') ?? findProgram('wasm-opt'),
  };
}

/**
 * @param {string} version of three numbers
 * @param {number[]} than
 * @returns {number} below, at or above 0; NaN
 */
function compareVersions(version, than) {
  const got = version.split('.').map(Number);
  return got.length === 3 ? got[0] - than[0] || got[1] - than[1] || got[2] - than[2] : NaN;
}

/** @param {string} version @returns {boolean} */
export function emscriptenIsAccepted(version) {
  return (
    compareVersions(version, EMSCRIPTEN.from) >= 0 && compareVersions(version, EMSCRIPTEN.below) < 0
  );
}

/** Why a build has no relaxed variants, for people. */
export const WITHOUT_RELAXED =
  'relaxed SIMD needs LLVM 19 (Debian: apt-get install clang-19 lld-19) ' +
  'or Emscripten 3.1.50 and later; nothing else does';

/**
 * An LLVM that writes relaxed SIMD under the opcodes that engines have (LLVM 14 has those of an old
 * draft): as variables that make emcc use it, and its linker, for objects of two LLVMs do not mix.
 * Newer Emscriptens bring one.
 * @returns {{ env: Record<string, string>, wasmLd?: string, version: string } | undefined}
 */
export function findRelaxedLlvm() {
  if (compareVersions(findEmscripten().version, [3, 1, 50]) >= 0) {
    return { env: {}, version: 'its own' };
  }
  const root = '/usr/lib/llvm-19/bin';
  if (!['clang', 'wasm-ld'].every((name) => isExecutable(join(root, name)))) return undefined;
  // Debian's configuration adds a version to the programs' names; in LLVM's own folder they have
  // none.
  const env = { EM_LLVM_ROOT: root, EM_LLVM_ADD_VERSION: '', EM_CLANG_ADD_VERSION: '' };
  return { env, wasmLd: join(root, 'wasm-ld'), version: '19' };
}

/** The C compiler of the native tests: clang, else what there is. */
export function findCompiler() {
  return findProgram('clang', 'clang-14') ?? findProgram('gcc', 'cc');
}

/**
 * clang, and whether the parts of it are there that sanitize native programs and that make WASI
 * programs.
 */
export function findClang() {
  const clang = findProgram('clang', 'clang-14');
  const resources = clang && ask(clang, '-print-resource-dir');
  const has = (/** @type {string} */ file) =>
    !!resources && existsSync(join(resources, 'lib', file));
  return {
    clang,
    sanitizers: [
      'linux/libclang_rt.asan-x86_64.a',
      'linux/libclang_rt.asan-aarch64.a',
      'darwin/libclang_rt.asan_osx_dynamic.dylib',
    ].some(has),
    wasi:
      has('wasi/libclang_rt.builtins-wasm32.a') && existsSync('/usr/include/wasm32-wasi/stdio.h'),
  };
}

/** clang-format 14, the version that .clang-format is written for: others break lines elsewhere. */
export function findClangFormat() {
  const program = findProgram('clang-format-14', 'clang-format');
  return program && /version 14\./.test(ask(program, '--version')) ? program : undefined;
}

/** Chromium or its kin, for the browser tests. OFFSTAGE_CHROMIUM names another one. */
export function findChromium() {
  const own = process.env.OFFSTAGE_CHROMIUM;
  if (own) return isExecutable(own) ? own : undefined;
  const apps = [
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ];
  return (
    findProgram('chromium', 'chromium-browser', 'google-chrome', 'chrome') ??
    apps.find(isExecutable)
  );
}

/** Firefox, likewise. OFFSTAGE_FIREFOX names another one. */
export function findFirefox() {
  const own = process.env.OFFSTAGE_FIREFOX;
  if (own) return isExecutable(own) ? own : undefined;
  const app = '/Applications/Firefox.app/Contents/MacOS/firefox';
  return findProgram('firefox-esr', 'firefox') ?? (isExecutable(app) ? app : undefined);
}

/**
 * WebKitGTK: what drives it, its browser, and the screen of memory that it is shown on.
 * @returns {{ driver: string, browser: string, screen: string } | undefined}
 */
export function findWebKit() {
  const driver = findProgram('WebKitWebDriver');
  const screen = findProgram('Xvfb');
  const folders = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/libexec'];
  const browser = [...folders, '/usr/lib64', '/usr/lib']
    .map((folder) => `${folder}/webkit2gtk-4.1/MiniBrowser`)
    .find(isExecutable);
  return driver && screen && browser ? { driver, browser, screen } : undefined;
}
