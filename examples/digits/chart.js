/* chart.js: the two curves, drawn by uPlot, and the table of epochs, which says the same in
 * figures.
 * Invariant: a point of "as it goes" is the mean over the batches since the point before it, taken
 * out of the running means that the records carry: those drag the start of an epoch along and would
 * draw steps. Drawn once a frame at most. Colours are the page's custom properties, read anew at
 * each drawing. */
import './language.js';
import uPlot from '../../node_modules/uplot/dist/uPlot.esm.js';
import { loss as lossText, percent } from './words.js';

/** @typedef {import('../../web/index.js').Progress} Progress */

/** Batches that a point stands for at least: fewer would draw the luck of single batches. */
const POINT = 25;
/** Epochs up to which each has a dot of its own. */
const DOTS = 30;
const LOSS_TICKS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50];

/** @param {string} name of a custom property */
const colour = (name) => () =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const KINDS = {
  loss: {
    going: 'loss',
    held: 'valLoss',
    text: lossText,
    name: 'Loss',
    scale: {
      distr: 3,
      range: (_, low, high) => [(low ?? 0.1) / 1.25, Math.max((high ?? 2.3) * 1.25, 2.5)],
    },
    splits: (_, __, low, high) => LOSS_TICKS.filter((tick) => tick >= low && tick <= high),
    value: (value) => value,
  },
  accuracy: {
    going: 'accuracy',
    held: 'valAccuracy',
    text: (value) => percent(value / 100, 1),
    name: 'Accuracy',
    scale: { range: (plot) => [lowest(plot.data), 100] },
    splits: undefined,
    value: (value) => 100 * value,
  },
};

/**
 * Where the axis of accuracies begins: the climb of the first half epoch may start below, or it
 * would fill the chart.
 */
function lowest([x, going, held]) {
  const shown = [...going, ...held].filter((value, i) => value !== null && x[i % x.length] >= 0.5);
  return Math.floor(Math.min(90, ...shown) / 10) * 10;
}

/**
 * @param {object} parts
 * @param {HTMLElement} parts.loss
 * @param {HTMLElement} parts.accuracy
 * @param {HTMLElement} parts.lossRead what the pointer is on
 * @param {HTMLElement} parts.accuracyRead
 * @param {HTMLElement} parts.rows the body of the table
 */
export function createCurves({ loss, accuracy, lossRead, accuracyRead, rows }) {
  const curves = [
    createCurve(KINDS.loss, loss, lossRead),
    createCurve(KINDS.accuracy, accuracy, accuracyRead),
  ];
  const draw = () => curves.forEach((curve) => curve.redraw());
  for (const query of ['(prefers-color-scheme: dark)', '(prefers-contrast: more)']) {
    matchMedia(query).addEventListener('change', draw);
  }
  return {
    /** @param {number} epochs */
    clear(epochs) {
      rows.replaceChildren();
      for (const curve of curves) curve.clear(epochs);
    },
    /** @param {Progress} record */
    add(record) {
      for (const curve of curves) curve.add(record);
      if (record.kind === 'epoch') rows.prepend(createRow(record));
    },
  };
}

function createCurve(kind, host, read) {
  /**
   * Where, as it goes, held out; null where one of them has no point.
   * @type {Array<Array<number | null>>}
   */
  let data = [[0], [null], [null]];
  let epochs = 10;
  let past = { sum: 0, batches: 0 }; // in the epochs before this one
  let last = { sum: 0, batches: 0 }; // up to the latest point
  let due = 0;
  const plot = new uPlot(
    options(kind, () => epochs, read),
    data,
    host,
  );
  new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = host;
    if (width > 0 && height > 0) plot.setSize({ width, height });
  }).observe(host);

  function show() {
    due = 0;
    plot.setData(data);
  }

  return {
    redraw: () => plot.redraw(false, true),

    clear(total) {
      epochs = total;
      data = [[0], [null], [null]]; // one empty point: without any, uPlot draws no axes
      past = last = { sum: 0, batches: 0 };
      host.setAttribute('aria-label', `${kind.name} by epoch, no data yet`);
      due ||= requestAnimationFrame(show);
    },

    add(record) {
      const { epoch, batch, totalBatches } = record;
      const held = record[kind.held];
      const here = { sum: past.sum + record[kind.going] * batch, batches: past.batches + batch };
      const enough = here.batches - last.batches >= POINT;
      if (enough || held !== undefined) {
        data[0].push(epoch - 1 + batch / totalBatches);
        const mean = (here.sum - last.sum) / (here.batches - last.batches);
        data[1].push(enough ? kind.value(mean) : null);
        data[2].push(held === undefined ? null : kind.value(held));
      }
      if (enough) last = here;
      if (record.kind === 'epoch') past = here;
      if (held !== undefined) {
        const going = kind.text(kind.value(record[kind.going]));
        host.setAttribute(
          'aria-label',
          `${kind.name} by epoch. After epoch ${epoch}: ` +
            `training ${going}, held out ${kind.text(kind.value(held))}`,
        );
      }
      due ||= requestAnimationFrame(show);
    },
  };
}

/** @returns {any} uPlot's options */
function options(kind, epochs, read) {
  const axis = {
    stroke: colour('--soft'),
    font: `12px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  };
  const series = { scale: 'y', value: null, spanGaps: true };
  return {
    width: 300,
    height: 200,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 8 } },
    padding: [8, 10, 0, 0],
    scales: { x: { time: false, range: () => [0, epochs()] }, y: kind.scale },
    axes: [
      { ...axis, incrs: [1, 2, 5, 10, 20], space: 32, size: 28 },
      {
        ...axis,
        size: 40,
        space: 28,
        splits: kind.splits,
        values: (_, splits) => splits,
        filter: (_, splits) => splits,
      },
    ],
    series: [
      {},
      { ...series, stroke: colour('--going'), width: 1.5, points: { show: false } },
      {
        ...series,
        stroke: colour('--held'),
        width: 2.5,
        points: {
          show: () => epochs() <= DOTS,
          size: 8,
          width: 2,
          stroke: colour('--held'),
          fill: colour('--card'),
        },
      },
    ],
    hooks: {
      setCursor: [
        (plot) => {
          const at = plot.cursor.idx;
          const away = at === null || at === undefined;
          read.textContent = away ? '' : describe(plot.data, at, kind.text);
        },
      ],
    },
  };
}

/** What is under the pointer, in words. */
function describe([x, going, held], at, text) {
  const figures = [];
  if (going[at] !== null) figures.push(text(going[at]));
  if (held[at] !== null) figures.push(`held out ${text(held[at])}`);
  return figures.length === 0 ? '' : `epoch ${x[at].toFixed(1)}: ${figures.join(', ')}`;
}

/** @param {Progress} record */
function createRow({ epoch, loss, accuracy = NaN, valLoss = NaN, valAccuracy = NaN }) {
  const row = document.createElement('tr');
  const cells = [lossText(loss), percent(accuracy, 1), lossText(valLoss), percent(valAccuracy, 1)];
  const head = document.createElement('th');
  head.scope = 'row';
  head.textContent = String(epoch);
  const cell = (/** @type {string} */ text) =>
    Object.assign(document.createElement('td'), { textContent: text });
  row.append(head, ...cells.map(cell));
  return row;
}
