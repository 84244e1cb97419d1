/* architecture.test.js: the pages for who changes Offstage are held to the tree: what they name is
 * there.
 *
 * A path begins with a folder of the root, in backticks or without. A function stands in backticks
 * with its brackets, and in the file whose path follows it in brackets, or in any source. Any other
 * single name in backticks is a word of the sources. Commands are those of package.json, steps of
 * `npm test` those of run.js, questions of the bench its files. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { ROOT } from '../../wasm-build/lists.mjs';

const PAGES = ['docs/architecture.md', 'CONTRIBUTING.md'];
/** The build makes this one, which need not be there. */
const MADE = 'wasm-build/dist/';

const FOLDERS = '(?:src|worker|web|wasm-build|tests|docs|examples|\\.ci)';
const PATH = new RegExp(`(?<![\\w./-])(?:${FOLDERS}/[\\w./-]*[\\w/]|README\\.md)`, 'g');
const FILE = `(?: \\((${FOLDERS}/[\\w./-]*\\w)\\))?`;
const CALL = new RegExp(`\`#?(\\w+)\\(\\)\`${FILE}`, 'g');
const NAME = new RegExp(`\`#?([A-Za-z_]\\w*)\`${FILE}`, 'g');

/** @param {string} file */
const textOf = (file) => readFileSync(ROOT + file, 'utf8');

const SOURCES = ['src', 'worker', 'web', 'wasm-build']
  .flatMap((folder) =>
    readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
      .filter((file) => /\.(c|h|def|js|mjs)$/.test(file) && !/\/(dist|cache)\//.test(file)),
  )
  .map(textOf)
  .join('\n');

/**
 * What a page tells of names that is not so.
 * @param {string} text
 * @param {RegExp} pattern
 * @param {RegExp} after what follows the name in its file
 */
function missing(text, pattern, after) {
  return [...text.matchAll(pattern)]
    .filter(
      ([, name, file]) =>
        !new RegExp(`(?<!\\w)${name}${after.source}`).test(file ? textOf(file) : SOURCES),
    )
    .map(([told]) => told);
}

/** Words behind a command. @param {string} text @param {RegExp} command */
const wordsOf = (text, command) =>
  [...text.matchAll(command)].flatMap(([, words]) => words.split(' '));

for (const page of PAGES) {
  /* A name and its file may stand on two lines. */
  const text = textOf(page).replace(/\n */g, ' ');

  test(`${page} names files and folders that are there`, () => {
    const paths = [...text.matchAll(PATH)].map(([path]) => path);
    assert.ok(paths.length > 0);
    assert.deepEqual(
      paths.filter((path) => path !== MADE && !existsSync(ROOT + path)),
      [],
    );
  });

  test(`${page} links to what is there`, () => {
    const links = [...text.matchAll(/\]\(([^)#:]+)/g)].map(([, link]) =>
      new URL(link, `file:///${page}`).pathname.slice(1),
    );
    assert.deepEqual(
      links.filter((link) => !existsSync(ROOT + link)),
      [],
    );
  });

  test(`${page} names functions and words of the sources`, () => {
    assert.deepEqual(missing(text, CALL, /(?:\(| = )/), []);
    assert.deepEqual(missing(text, NAME, /\b/), []);
  });

  test(`${page} gives commands that there are`, () => {
    const { scripts } = JSON.parse(textOf('package.json'));
    const commands = wordsOf(text, /npm (?:run )?((?<=run )[\w:]+|test|start)\b/g);
    assert.ok(commands.length > 0);
    assert.deepEqual(
      commands.filter((name) => !Object.hasOwn(scripts, name)),
      [],
    );
    const steps = wordsOf(text, /npm test -- ([\w ]*\w)`/g);
    const run = textOf('tests/run.js');
    assert.deepEqual(
      steps.filter((name) => !new RegExp(`\\b${name}\\b`).test(run)),
      [],
    );
    const questions = wordsOf(text, /npm run bench -- ([\w ]*\w)`/g);
    assert.deepEqual(
      questions.filter((name) => !existsSync(`${ROOT}tests/bench/${name}.mjs`)),
      [],
    );
  });
}
