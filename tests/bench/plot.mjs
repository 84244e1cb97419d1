/* plot.mjs: the picture of a bench, as SVG, drawn by Vega-Lite.
 *
 * Times on a logarithmic axis as points, for bars would have to begin at nothing; shares of the
 * peak as bars, with the goal as a mark. Colours that can be told apart by everybody (Okabe and
 * Ito), and a shape to each. */

import { CONTENDERS } from './peers/contenders.js';
import { WORKLOADS } from './workloads.mjs';

/** @typedef {import('./table.mjs').Figure} Figure */

const COLOURS = ['#d55e00', '#e69f00', '#0072b2', '#56b4e9', '#009e73', '#cc79a7'];
const SHAPES = ['circle', 'circle', 'square', 'diamond', 'triangle-up', 'triangle-down'];
const NAMES = CONTENDERS.map(({ name }) => name);
const FONT = 'Helvetica, Arial, sans-serif';
const ROW = 34;
const PLACE = 'Chromium'; // Node, with the same engine, looks the same; the table has it
const label = (/** @type {string} */ id) =>
  `${id}  ${WORKLOADS.find((each) => each.id === id)?.name}`;
const ROWS = WORKLOADS.map(({ id }) => label(id));

/**
 * @param {Figure[]} figures
 * @returns {{ place: string, workload: string, who: string, ms: number }[]}
 */
function points(figures) {
  const all = figures.flatMap(({ of, value, cannot, peer }) => {
    if (!of?.place) return [];
    const other = CONTENDERS.find(({ id }) => id === of.peer);
    const at = { place: of.place, workload: label(of.workload) };
    return [
      ...(cannot ? [] : [{ ...at, who: NAMES[0], ms: value }]),
      ...(peer && !peer.cannot && other ? [{ ...at, who: other.name, ms: peer.value }] : []),
    ];
  });
  return all.filter(
    (point, i) =>
      all.findIndex(
        (other) =>
          other.place === point.place &&
          other.workload === point.workload &&
          other.who === point.who,
      ) === i,
  );
}

/** @param {ReturnType<typeof points>} values */
function times(values) {
  const y = {
    field: 'workload',
    type: 'nominal',
    scale: { domain: ROWS },
    title: null,
    axis: { ticks: false, grid: true, labelLimit: 300, labelPadding: 8 },
  };
  const scale = { type: 'log', domain: [0.006, 50_000], nice: false };
  const x = {
    field: 'ms',
    type: 'quantitative',
    scale,
    title: 'ms for one training step, logarithmic',
    axis: { values: [0.01, 0.1, 1, 10, 100, 1000, 10_000], format: '~r' },
  };
  return {
    title: `One training step in a worker of ${PLACE}`,
    width: 430,
    height: { step: ROW },
    data: { values },
    layer: [
      {
        mark: { type: 'rule', color: '#b5b5b5' },
        encoding: { y, x: { aggregate: 'min', ...x }, x2: { aggregate: 'max', field: 'ms' } },
      },
      {
        mark: {
          type: 'point',
          filled: true,
          size: 100,
          opacity: 1,
          stroke: 'white',
          strokeWidth: 0.8,
        },
        encoding: {
          y,
          x,
          color: {
            field: 'who',
            type: 'nominal',
            scale: { domain: NAMES, range: COLOURS },
            legend: {
              title: null,
              orient: 'top',
              direction: 'horizontal',
              symbolSize: 95,
              labelLimit: 300,
              columnPadding: 2,
            },
          },
          shape: { field: 'who', type: 'nominal', scale: { domain: NAMES, range: SHAPES } },
        },
      },
      {
        transform: [{ filter: `datum.who === '${NAMES[0]}'` }],
        mark: { type: 'text', dy: -12, fontSize: 10.5, color: '#444' },
        encoding: { y, x, text: { field: 'ms', format: '.3~r' } },
      },
    ],
  };
}

/** @param {Figure[]} figures of step.mjs */
function shares(figures) {
  const values = figures
    .filter(({ of, cannot }) => of?.workload && !cannot)
    .map(({ of, value, goal }) => ({
      workload: label(/** @type {any} */ (of).workload),
      share: value,
      goal: goal?.least,
    }));
  const y = {
    field: 'workload',
    type: 'nominal',
    scale: { domain: ROWS },
    title: null,
    axis: null,
  };
  const x = {
    field: 'share',
    type: 'quantitative',
    scale: { domainMin: 0 },
    title: '%, one thread (line: the goal)',
  };
  return {
    title: 'Share of the GEMM peak',
    width: 270,
    height: { step: ROW },
    data: { values },
    layer: [
      { mark: { type: 'bar', color: COLOURS[0], height: 14 }, encoding: { y, x } },
      {
        mark: { type: 'tick', color: '#222', thickness: 2, size: 22 },
        encoding: { y, x: { ...x, field: 'goal' } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 5, fontSize: 11, color: 'white', x: 0 },
        encoding: { y, text: { field: 'share', format: '.0f' } },
      },
    ],
  };
}

/** @param {Record<string, { figures?: Figure[] }>} results @returns {Promise<string>} SVG */
export async function draw({ peers, step }) {
  // By name: the types know no peers
  const [vega, lite] = await Promise.all(['vega', 'vega-lite'].map((name) => import(name)));
  const spec = /** @type {any} */ ({
    background: 'white',
    padding: 12,
    spacing: 24,
    config: {
      font: FONT,
      view: { stroke: null },
      axis: {
        labelFontSize: 11,
        titleFontSize: 11,
        titleFontWeight: 'normal',
        gridColor: '#ececec',
        domain: false,
        tickColor: '#cccccc',
      },
      title: { fontSize: 13, anchor: 'start' },
      legend: { labelFontSize: 12 },
    },
    hconcat: [
      times(points(peers?.figures ?? []).filter(({ place }) => place === PLACE)),
      shares(step?.figures ?? []),
    ],
  });
  return `${await new vega.View(vega.parse(lite.compile(spec).spec), { renderer: 'none' }).toSVG()}\n`;
}
