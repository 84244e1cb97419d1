/* publish.mjs: docs/bench.md and docs/bench.svg from a JSON file of results, which goes beside
 * them; the questions that further files answer are of those, and say of which commit.
 *
 * Nothing is measured and nothing is typed here by hand: what the page says is in the file. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peerVersions } from './install.mjs';
import { CONTENDERS } from './peers/contenders.js';
import { draw } from './plot.mjs';
import { digits, isMet, ratioOf, spread, wantedOf } from './table.mjs';
import { WORKLOADS } from './workloads.mjs';

/** @typedef {import('./table.mjs').Figure} Figure */
/**
 * @typedef {{ date: string, command: string, commit: string, machine: Record<string, any>, results:
 *   Record<string, Answer> }} Results
 * @typedef {{ title: string, figures?: Figure[], error?: string, later?: string }} Answer later:
 *   when and of which commit, where it was asked after the others
 */

const DOCS = fileURLToPath(new URL('../../docs/', import.meta.url));
const PLACES = ['Chromium', 'Node'];

const cells = (/** @type {string[]} */ values) =>
  `| ${values.map((value) => value.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;

/** @param {string[]} head @param {string[][]} rows */
const tableOf = (head, rows) =>
  [
    cells(head),
    `|${head.map((_, i) => (i === 0 ? '---' : '---:')).join('|')}|`,
    ...rows.map(cells),
  ].join('\n');

/** @param {Figure} figure */
function row(figure) {
  const { what, unit, value, peer, goal, cannot } = figure;
  if (cannot) return [what, `cannot: ${cannot}`, '', '', '', ''];
  const ratio = ratioOf(figure);
  return [
    what,
    `${digits(value)} ${unit}`,
    spread(figure),
    peer ? `${peer.cannot ? `cannot: ${peer.cannot}` : digits(peer.value)} (${peer.what})` : '',
    ratio === undefined ? '' : `${digits(ratio)} x`,
    goal ? `${wantedOf(goal)}: ${isMet(figure) ? 'met' : '**missed**'}` : '',
  ];
}

/** @param {string} name @param {Answer} answer */
function section(name, { title, figures = [], error, later }) {
  const head = `### ${name}: ${title}\n\n\`npm run bench -- ${name}\`${later ? `, ${later}` : ''}\n`;
  if (error) return `${head}\nNot measured: ${error}\n`;
  return `${head}\n${tableOf(['figure', 'value', 'spread', 'peer', 'ratio', 'goal'], figures.filter(({ detail }) => !detail).map(row))}\n`;
}

/** @param {Figure | undefined} figure @param {Map<string, number>} notes of reasons */
function peerCell(figure, notes) {
  if (!figure?.peer) return '';
  const { peer, paired } = figure;
  if (peer.cannot) return `cannot ${note(peer.cannot, notes)}`;
  return `${digits(peer.value)}${paired ? ` (${digits(1 / paired.value)} x)` : ''}`;
}

/**
 * A footnote's number; the same words have the same.
 * @param {string} why
 * @param {Map<string, number>} notes
 */
function note(why, notes) {
  if (!notes.has(why)) notes.set(why, notes.size + 1);
  return `[${notes.get(why)}]`;
}

/** One row a workload, one column a contender. @param {Figure[]} figures @param {string} place */
function pairsTable(figures, place) {
  const notes = new Map();
  const others = CONTENDERS.filter(
    ({ id, places }) => id !== 'offstage' && places.includes(/** @type {any} */ (place)),
  );
  const rows = WORKLOADS.map(({ id, name }) => {
    const own = figures.filter(({ of }) => of?.place === place && of.workload === id);
    if (!own[0]?.peer)
      return [
        `${id} ${name}`,
        own[0]?.cannot ? `not measured ${note(own[0].cannot, notes)}` : 'not measured',
        ...others.map(() => ''),
      ];
    const value = own[0].cannot
      ? `cannot ${note(own[0].cannot, notes)}`
      : `**${digits(own[0].value)}** (${spread(own[0])})`;
    return [
      `${id} ${name}`,
      value,
      ...others.map((other) =>
        peerCell(
          own.find(({ of }) => of?.peer === other.id),
          notes,
        ),
      ),
    ];
  });
  const lines = [...notes].map(([why, i]) => `[${i}] ${why}`);
  const head = [
    'ms a step',
    'Offstage (quartiles)',
    ...others.map(({ name }) => `${name} (times Offstage's)`),
  ];
  return `${place}:\n\n${tableOf(head, rows)}\n${lines.length ? `\n${lines.join('\\\n')}\n` : ''}`;
}

/** @param {Results} results @param {string} json its name beside the page */
function page({ date, command, commit, machine, results }, json) {
  const { peers, ...others } = results;
  const versions = Object.entries(peerVersions())
    .filter(([name]) => !name.startsWith('vega'))
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  const goals = Object.values(results)
    .flatMap(({ figures = [] }) => figures)
    .map(isMet)
    .filter((met) => met !== undefined);
  return `# What Offstage measures

${machine.cpu}, ${machine.cores} cores, ${machine.platform}; Chromium ${machine.chromium}, Node ${machine.node}; ${date.slice(0, 10)}, commit ${commit}, load ${digits(machine.load)} before it began.
Made by \`${command}\`: all of it on one machine, in one run where no question says that it was asked again, in interleaved rounds; a figure is a median, its spread
the quartiles (for latencies: the least and the most that a round had). Peers: ${versions}. The figures themselves:
[${json}](${json}). ${goals.filter(Boolean).length} of ${goals.length} goals are met. What was tried and did not pay: [tried.md](tried.md).

![One training step of seven networks, Offstage beside TensorFlow.js and jax-js, and Offstage's share of the peak](bench.svg)

## A training step beside others

Forward, backward and update of one batch, in a worker, \`npm run bench -- peers\`. Behind each peer's time: how many times
Offstage's it is, the median of the rounds' own ratios.

${peers?.figures ? PLACES.map((place) => pairsTable(peers.figures ?? [], place)).join('\n') : `Not measured${peers?.error ? `: ${peers.error}` : ''}.\n`}
How each was driven: the same weights to start from, the same batches in the same order, the same optimizer; a worker
each, warmed up until compiled, one at a time. The loss of the second step has to agree with Offstage's to 0.01 %. Reading
a loss is what ends a group of steps, and how often that is done (after 1, 4 or 16 steps) is chosen for each by what is fastest.

${CONTENDERS.map(({ name, how }) => `- ${name}: ${how}.`).join('\n')}

## Everything else

${Object.entries(others)
  .map(([name, result]) => section(name, result))
  .join('\n')}`;
}

/** @param {string[]} files of results, the one that has most of them first */
export async function publish(files) {
  const [results, ...others] = files.map(
    (file) => /** @type {Results} */ (JSON.parse(readFileSync(file, 'utf8'))),
  );
  for (const { date, commit, machine, results: answers } of others)
    for (const [name, answer] of Object.entries(answers))
      results.results[name] = {
        ...answer,
        later: `asked again on ${date.slice(0, 10)} of commit ${commit}, load ${digits(machine.load)}`,
      };
  const name = `${results.date.slice(0, 10)}.json`;
  mkdirSync(`${DOCS}bench/`, { recursive: true });
  writeFileSync(`${DOCS}bench/${name}`, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(`${DOCS}bench.svg`, await draw(results.results));
  writeFileSync(`${DOCS}bench.md`, page(results, `bench/${name}`));
  process.stdout.write(
    `docs/bench.md, docs/bench.svg and docs/bench/${name} are of ${files.map((file) => basename(file)).join(', ')}\n`,
  );
}
