/* setup.mjs: installs what a command needs and this machine lacks, or says exactly what is missing.
 *
 * `node wasm-build/setup.mjs [build] [test]`. On Debian and its kin, as root or through sudo, it
 * installs by apt; anywhere else it names each missing thing, what it is for and how to get it, and
 * ends with an error; what is optional it tries once. Nothing is installed when all is there, and
 * then it takes a fraction of a second. Node's own modules only. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from './lists.mjs';
import {
  EMSCRIPTEN,
  emscriptenIsAccepted,
  findChromium,
  findClang,
  findClangFormat,
  findCompiler,
  findEmscripten,
  findFirefox,
  findProgram,
  findRelaxedLlvm,
  findWebKit,
} from './toolchain.mjs';

/**
 * @typedef {object} Need
 * @property {'build' | 'test'} group
 * @property {string} name
 * @property {string} why
 * @property {() => unknown} have
 * @property {string} apt  Debian's packages
 * @property {string} else how to get it elsewhere
 * @property {boolean} [optional]  the command does with less where it cannot be had
 */

const MORE_LLVM =
  'an LLVM with all its parts: `brew install llvm`, or releases of the LLVM project';

/** @type {Need[]} */
const NEEDS = [
  {
    group: 'build',
    name: 'Emscripten (emcc)',
    why: 'compiles the core to WebAssembly',
    have: () => findEmscripten().emcc,
    apt: 'emscripten',
    else: '`brew install emscripten`, or emsdk (emscripten.org, "Getting started")',
  },
  {
    group: 'build',
    name: 'wasm-ld',
    why: 'links it',
    have: () => findEmscripten().wasmLd,
    apt: 'lld',
    else: 'emsdk and brew bring it with Emscripten; else `brew install lld`',
  },
  {
    group: 'build',
    name: 'LLVM 19',
    why: 'compiles the variants with relaxed SIMD',
    have: findRelaxedLlvm,
    apt: 'clang-19 lld-19',
    else: 'Emscripten 3.1.50 and later bring it',
    optional: true,
  },
  {
    group: 'test',
    name: 'a C compiler (clang, or gcc)',
    why: 'compiles the C tests',
    have: findCompiler,
    apt: 'clang',
    else: "`brew install llvm`, or Xcode's command line tools",
  },
  {
    group: 'test',
    name: 'clang with its sanitizers',
    why: 'runs the C tests under AddressSanitizer and UndefinedBehaviorSanitizer',
    have: () => findClang().sanitizers,
    apt: 'clang libclang-rt-14-dev',
    else: MORE_LLVM,
  },
  {
    group: 'test',
    name: 'llvm-cov and llvm-profdata',
    why: 'tell which branches of the core the tests reach',
    have: () =>
      findProgram('llvm-cov-14', 'llvm-cov') && findProgram('llvm-profdata-14', 'llvm-profdata'),
    apt: 'llvm-14',
    else: MORE_LLVM,
  },
  {
    group: 'test',
    name: "clang's WASI target and wasi-libc",
    why: 'compiles the C tests to WebAssembly',
    have: () => findClang().wasi,
    apt: 'clang lld wasi-libc libclang-rt-14-dev-wasm32',
    else: 'wasi-libc below /usr/include/wasm32-wasi and the wasm32 builtins of clang',
  },
  {
    group: 'test',
    name: 'CMake',
    why: 'builds the native C tests',
    have: () => findProgram('cmake') && findProgram('ctest'),
    apt: 'cmake',
    else: '`brew install cmake`, or cmake.org',
  },
  {
    group: 'test',
    name: 'Ninja or make',
    why: 'CMake drives one of them',
    have: () => findProgram('ninja', 'make'),
    apt: 'ninja-build',
    else: '`brew install ninja`',
  },
  {
    group: 'test',
    name: 'wasm2c',
    why: 'translates the wasm to C, an engine more that has to compute the same bits',
    have: () => findProgram('wasm2c'),
    apt: 'wabt',
    else: '`brew install wabt`, or its releases',
  },
  {
    group: 'test',
    name: 'clang-format 14',
    why: 'checks the form of the C files',
    have: findClangFormat,
    apt: 'clang-format-14',
    else: 'releases of the LLVM project; other versions break lines elsewhere',
    optional: true,
  },
  {
    group: 'test',
    name: 'Chromium',
    why: 'runs the browser tests',
    have: findChromium,
    apt: 'chromium',
    else:
      'Chromium or Chrome on the PATH, ' +
      'or its path in the environment variable OFFSTAGE_CHROMIUM',
  },
  {
    group: 'test',
    name: 'Firefox',
    why: 'runs the tests of the step firefox',
    have: findFirefox,
    apt: 'firefox-esr',
    else: 'Firefox on the PATH, or its path in the environment variable OFFSTAGE_FIREFOX',
    optional: true,
  },
  {
    group: 'test',
    name: 'WebKitGTK with its driver, and Xvfb',
    why: 'runs the tests of the step webkit',
    have: findWebKit,
    apt: 'webkit2gtk-driver xvfb',
    else: 'WebKitWebDriver and Xvfb on the PATH, with the MiniBrowser of WebKitGTK 4.1; Linux only',
    optional: true,
  },
];

/** @param {string} text */
const say = (text) => process.stderr.write(`${text}\n`);

/** An ordinary refusal: a message for the user, no stack. */
export class SetupError extends Error {}

/**
 * Runs a program with the user's terminal; its failure is a SetupError.
 * @param {string} file @param {string[]} args @param {NodeJS.ProcessEnv} [env]
 */
function run(file, args, env = process.env) {
  // npm is a script on Windows, which only a shell can start.
  const shell = process.platform === 'win32' && file === 'npm';
  const { status, error } = spawnSync(file, args, {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell,
  });
  if (status === 0) return;
  const why = error ? `: ${error.message}` : '';
  throw new SetupError(`\`${[file, ...args].join(' ')}\` failed${why}`);
}

/**
 * For a test's `skip`: why something optional is not there, and how to get it.
 * @param {string} name of one of NEEDS
 * @returns {string}
 */
export function howToGet(name) {
  const { apt, else: elsewhere } = /** @type {Need} */ (NEEDS.find((need) => need.name === name));
  return `there is no ${name}: on Debian \`apt-get install ${apt}\`, elsewhere ${elsewhere}`;
}

/** How this user may install by apt, or why not. */
function aptRights() {
  if (!findProgram('apt-get')) return { prefix: null, why: 'this system has no apt' };
  if (process.getuid?.() === 0) return { prefix: [], why: '' };
  if (!findProgram('sudo')) return { prefix: null, why: 'you are not root and there is no sudo' };
  const asks = spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status !== 0;
  if (asks && !process.stdin.isTTY) {
    return { prefix: null, why: 'you are not root and sudo wants a password' };
  }
  return { prefix: ['sudo'], why: '' };
}

/** @param {Need[]} missing @param {string[]} prefix */
function aptInstall(missing, prefix) {
  const packages = [...new Set(missing.flatMap((need) => need.apt.split(' ')))];
  say(`Installing by apt: ${packages.join(' ')}`);
  const apt = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', '-q', '-y'];
  const [file, ...rest] = apt;
  run(file, [...rest, 'update']);
  run(file, [...rest, 'install', '--no-install-recommends', ...packages]);
}

/** @param {Need[]} missing @param {string} why */
function refuse(missing, why) {
  const lines = missing.map(
    (need) =>
      `  - ${need.name}: ${need.why}.\n` +
      `      Debian: apt-get install ${need.apt}\n      elsewhere: ${need.else}`,
  );
  throw new SetupError(
    `Missing here, and not installed because ${why}:\n${lines.join('\n')}\n` +
      'Then run the same command again.',
  );
}

/**
 * Tries to install what a command can do without, once on a machine: the build itself tells what it
 * leaves out.
 * @param {Need[]} missing
 */
function tryOptional(missing) {
  const tried = `${ROOT}wasm-build/cache/optional-tried`;
  const { prefix } = aptRights();
  if (!missing.length || !prefix || existsSync(tried)) return;
  try {
    aptInstall(missing, prefix);
    if (missing.some((need) => !need.have())) {
      throw new SetupError("apt's packages did not bring it");
    }
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    const names = missing.map((need) => `${need.name} (it ${need.why})`).join(', ');
    say(`Going on without ${names}: ${error.message}\nRemove ${tried} to have it tried again.`);
    mkdirSync(dirname(tried), { recursive: true });
    writeFileSync(tried, '');
  }
}

/** @param {('build' | 'test')[]} groups */
export function ensureTools(groups) {
  const wanted = NEEDS.filter((need) => groups.includes(need.group));
  const lacks = () => wanted.filter((need) => !need.optional && !need.have());
  const missing = lacks();
  if (missing.length) {
    const { prefix, why } = aptRights();
    if (!prefix) refuse(missing, why);
    else aptInstall(missing, prefix);
    const still = lacks();
    if (still.length) refuse(still, "apt's packages did not bring it");
  }
  tryOptional(wanted.filter((need) => need.optional && !need.have()));
  const { version, emcc } = findEmscripten();
  if (!emscriptenIsAccepted(version)) {
    const range = `${EMSCRIPTEN.from.join('.')} or later, below ${EMSCRIPTEN.below.join('.')}`;
    throw new SetupError(
      `${emcc} is Emscripten ${version || 'of an unknown version'}; expected ${range} ` +
        `(${EMSCRIPTEN.known} is tested: ` +
        `Debian 12's package, or \`emsdk install ${EMSCRIPTEN.known}\`).`,
    );
  }
}

/** Installs the npm packages of the lock file, unless that has been done. */
export function ensurePackages() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 16)) {
    throw new SetupError(
      `this is Node ${process.versions.node}; ` + 'expected 20.16 or later (nodejs.org)',
    );
  }
  const stamp = `${ROOT}node_modules/.offstage-lock`;
  const lock = readFileSync(`${ROOT}package-lock.json`);
  const wanted = createHash('sha256')
    .update(lock)
    .update(`${process.platform} ${process.arch}`)
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('Installing the npm packages of package-lock.json');
  // Every package works without its install script, so that none is run.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund']);
  writeFileSync(stamp, wanted);
}

/**
 * Runs a command's body, and ends the process with a plain message where something is missing or
 * fails.
 * @param {() => unknown} body
 */
export async function asCommand(body) {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`\n${error.message}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const groups = process.argv.slice(2);
  await asCommand(() => {
    const known = ['build', 'test'];
    const unknown = groups.filter((name) => !known.includes(name));
    if (unknown.length) {
      throw new SetupError(`unknown: ${unknown.join(' ')}; expected any of ${known.join(' ')}`);
    }
    ensureTools(/** @type {('build' | 'test')[]} */ (groups.length ? groups : known));
    ensurePackages();
  });
}
