/* rooms.test.js: the folders are rooms: what each may import, and that no files stand in a circle.
 *
 * C: the #include lines of src/, where a .c and its header are one. JavaScript: what is imported
 * when a file runs; types in comments bind nobody. A breach is told as file -> file. */

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { ROOT } from '../../wasm-build/lists.mjs';

/* What a room may import beside itself: other rooms, or single files of them. A file belongs to the
 * longest name here that it begins with; one that has no room has no business. */
const CORE = ['src/offstage.h', 'src/base/', 'src/kernels/', 'src/spec/', 'src/build/'];
const WORKER = [
  'worker/protocol.js',
  'worker/host/',
  'worker/spec/',
  'worker/data/',
  'worker/storage/',
];
/** @type {Record<string, string[]>} */
const ROOMS = {
  'src/offstage.h': [],
  'src/base/': ['src/offstage.h'],
  'src/kernels/': ['src/offstage.h', 'src/base/', 'src/spec/schema.h'], // of the schema its ids
  'src/spec/': ['src/offstage.h', 'src/base/'],
  'src/build/': CORE,
  'src/layers/': CORE,
  // What a step reads and writes
  'src/step/': [...CORE, 'src/program/model.h', 'src/program/plan.h'],
  'src/control/': ['src/offstage.h', 'src/base/', 'src/spec/'],
  'src/metrics/': [...CORE, 'src/step/', 'src/program/model.h', 'src/program/plan.h'],
  'src/program/': [...CORE, 'src/layers/', 'src/step/', 'src/metrics/'],
  'src/wasm/': ['src/offstage.h', 'src/spec/schema.h'],
  'worker/protocol.js': ['worker/host/'],
  'worker/host/': ['worker/storage/kept.js'], // a part that is loaded when it is first used
  'worker/spec/': ['worker/host/'],
  'worker/data/': ['worker/host/'],
  'worker/storage/': ['worker/host/', 'worker/data/', 'worker/trainer/checkpoint.js'],
  'worker/trainer/': WORKER,
  'worker/': [...WORKER, 'worker/trainer/'], // the entries
  'web/host/': ['worker/host/'],
  'web/trainer/': [
    'web/host/',
    ...WORKER,
    'worker/trainer/stages.js',
    'worker/trainer/service.js',
    'worker/trainer/run/fit-options.js',
  ], // what both sides know of a run's options
  'web/': ['web/host/', 'web/trainer/', 'worker/protocol.js', 'worker/host/'],
};

/** @param {...string} folders */
const filesOf = (...folders) =>
  folders.flatMap((folder) =>
    readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(c|h|js)$/.test(name))
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`),
  );

const IMPORT =
  /^(?:import|export)\b[^'"]*?['"](\.[^'"]+)['"]|\bimport\(\s*['"](\.[^'"]+)['"]|^#include "([^"]+)"/gm;

/** The files that a file imports. @param {string} file */
function importsOf(file) {
  const code = readFileSync(ROOT + file, 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const paths = [...code.matchAll(IMPORT)].map(([, from, dynamic, include]) =>
    include ? `src/${include}` : posix.join(posix.dirname(file), from ?? dynamic),
  );
  return [...new Set(paths)];
}

/** @param {string} file */
const roomOf = (file) =>
  Object.keys(ROOMS)
    .filter((room) => file.startsWith(room))
    .sort((a, b) => b.length - a.length)[0];

const GRAPH = new Map(filesOf('src', 'worker', 'web').map((file) => [file, importsOf(file)]));

test('a room imports what its sign allows, and nothing else', () => {
  const breaches = [];
  for (const [file, imports] of GRAPH) {
    const room = roomOf(file);
    assert.ok(room, `${file} stands in no room`);
    for (const to of imports) {
      if (!GRAPH.has(to)) continue; // made by the build
      const allowed = roomOf(to) === room || ROOMS[room].some((name) => to.startsWith(name));
      if (!allowed) breaches.push(`${file} -> ${to}`);
    }
  }
  assert.deepEqual(breaches, []);
});

test('no files stand in a circle', () => {
  /** A .c and its header are one. @param {string} file */
  const unit = (file) => file.replace(/\.[ch]$/, '');
  /** @type {Map<string, Set<string>>} */
  const units = new Map();
  for (const [file, imports] of GRAPH) {
    const to = units.get(unit(file)) ?? new Set();
    for (const name of imports) if (unit(name) !== unit(file)) to.add(unit(name));
    units.set(unit(file), to);
  }
  const done = new Set();
  /** @param {string} name @param {string[]} way */
  const walk = (name, way) => {
    assert.ok(
      !way.includes(name),
      `circle: ${[...way.slice(way.indexOf(name)), name].join(' -> ')}`,
    );
    if (done.has(name)) return;
    for (const next of units.get(name) ?? []) walk(next, [...way, name]);
    done.add(name);
  };
  for (const name of units.keys()) walk(name, []);
});
