/* site.js: writes the demo as a static site: files only, with relative addresses, so that it works
 * below any path of any server, without headers of its own (one thread computes then).
 * Invariant: the folder holds this site and nothing else; one that holds something else is refused
 * rather than emptied. */

import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Has GitHub Pages serve all files as they are; marks a folder as one of ours, too. */
const MARK = '.nojekyll';
/** Where the site has what the checkout has elsewhere. */
const MOVED = [
  ['../../node_modules/uplot/dist/', '../../uplot/'],
  ['../../web/index.js', '../../wasm-build/dist/index.js'],
];
const INDEX = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Offstage</title>
<link rel="icon" href="examples/digits/icon.svg" type="image/svg+xml">
<meta http-equiv="refresh" content="0; url=examples/digits/">
<a href="examples/digits/">The digit trainer</a>
</html>
`;

/** @param {string} folder that is made, or made anew */
export function writeSite(folder) {
  if (existsSync(folder)) {
    const names = readdirSync(folder);
    if (names.length > 0 && !names.includes(MARK)) {
      throw new Error(`${folder} holds something else, expected an empty folder or an older site`);
    }
    rmSync(folder, { recursive: true });
  }
  mkdirSync(`${folder}/examples`, { recursive: true });
  cpSync(`${ROOT}examples/digits`, `${folder}/examples/digits`, { recursive: true });
  cpSync(`${ROOT}examples/digits-data/read.js`, `${folder}/examples/digits-data/read.js`);
  cpSync(`${ROOT}examples/data`, `${folder}/examples/data`, { recursive: true });
  const dist = `${ROOT}wasm-build/dist/`;
  for (const name of readdirSync(dist).filter((each) => /\.(js|wasm)$/.test(each))) {
    cpSync(dist + name, `${folder}/wasm-build/dist/${name}`);
  }
  for (const name of ['uPlot.esm.js', 'uPlot.min.css']) {
    cpSync(`${ROOT}node_modules/uplot/dist/${name}`, `${folder}/uplot/${name}`);
  }
  for (const name of readdirSync(`${folder}/examples/digits`)) {
    if (!/\.(js|html)$/.test(name)) continue;
    const path = `${folder}/examples/digits/${name}`;
    const text = MOVED.reduce(
      (all, [from, to]) => all.replaceAll(from, to),
      readFileSync(path, 'utf8'),
    );
    writeFileSync(path, text);
  }
  rmSync(`${folder}/examples/digits/screenshot.mjs`);
  writeFileSync(`${folder}/index.html`, INDEX);
  writeFileSync(`${folder}/${MARK}`, '');
}
