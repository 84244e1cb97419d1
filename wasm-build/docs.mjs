/* docs.mjs: `npm run docs`: writes docs/layers.md, docs/metrics.md and docs/control.md from the
 * schema that the wasm carries, so that no range, default or option can be told wrong. What a name
 * means is docs-text.mjs's; a name that has no text there is an error, and so is a text that no
 * name has. */

import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import * as text from './docs-text.mjs';
import { code, fallback, takes } from './field-text.mjs';
import { ROOT } from './lists.mjs';
import { schemaOf } from './spec-types.mjs';

const PAGE = `${ROOT}docs/layers.md`;
const METRICS_PAGE = `${ROOT}docs/metrics.md`;
const CONTROL_PAGE = `${ROOT}docs/control.md`;

/** What of the texts was used. @type {Set<string>} */
const used = new Set();

/**
 * @param {'LAYERS' | 'ACTIVATIONS' | 'INITIALIZERS' | 'LOSSES' | 'LOSS_OPTIONS' | 'OPTIMIZERS' |
 *   'OPTIONS' | 'METRICS' | 'METRIC_OPTIONS' | 'SCHEDULES' | 'SCHEDULE_OPTIONS' | 'CONTROLS' |
 *   'CONTROL_OPTIONS'} table
 * @param {string[]} names one of them
 */
function textOf(table, ...names) {
  const name = names.find((each) => Object.hasOwn(text[table], each));
  if (name === undefined) {
    throw new Error(`docs-text.mjs: ${table} says nothing of '${names.join("' nor '")}'`);
  }
  used.add(`${table} ${name}`);
  return text[table][name];
}

/** @param {string[]} cells */
const row = (cells) => `| ${cells.join(' | ')} |`;
/** @param {string[]} head @param {string[][]} rows */
const tableOf = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row), ''];

/** @typedef {import('../worker/spec/schema.js').Field} Field */
/** @typedef {import('../worker/spec/schema.js').Schema} Schema */

/**
 * The options of a record; what belongs to one weight in one row.
 * @param {Schema} schema
 * @param {Field[]} fields
 * @param {string} of
 */
function options(schema, fields, of) {
  const rows = [];
  const order = (/** @type {Field} */ { presence }) => Number(presence !== 'required');
  for (const field of [...fields].sort((a, b) => order(a) - order(b))) {
    const weight = /^(.+)Initializer$/.exec(field.name)?.[1];
    const whole = weight && fields.some(({ name }) => name === `${weight}Regularizer`);
    if (/(Regularizer|Constraint)$/.test(field.name)) continue;
    const told = fallback(schema, field);
    if (weight) {
      const more = `, ${code(`${weight}Regularizer`)}, ${code(`${weight}Constraint`)}`;
      const taken = whole ? 'as below' : 'an initializer';
      rows.push([code(field.name) + (whole ? more : ''), taken, told, '']);
    } else {
      const meaning = textOf('OPTIONS', `${of}.${field.name}`, field.name);
      rows.push([code(field.name), takes(schema, field), told, meaning]);
    }
  }
  return rows.length ? tableOf(['option', 'takes', 'default', ''], rows) : [];
}

/** @param {Schema} schema @param {string} group */
const records = (schema, group) =>
  schema.records.filter((record) => record.group.startsWith(group));
/** @param {Schema} schema @param {string} enumeration */
const names = (schema, enumeration) => [...(schema.enumerations.get(enumeration)?.keys() ?? [])];

/** @param {Schema} schema */
function layers(schema) {
  return records(schema, 'layer').flatMap(({ type, group, fields }) => [
    `### ${type}`,
    '',
    textOf('LAYERS', type),
    '',
    ...(group === 'layer'
      ? []
      : [
          `\`{ type: '${type}', layer: { type, … } }\`: ` +
            'the layer in it has its own options and neither name nor input.',
          '',
        ]),
    ...options(schema, fields, type),
  ]);
}

/** @param {Schema} schema */
function losses(schema) {
  const fields = records(schema, 'result')[0].fields;
  return names(schema, 'loss').map((name) => {
    const taken = names(schema, name).map((option) => {
      const field = /** @type {Field} */ (fields.find((each) => each.name === option));
      const taken = `${fallback(schema, field)}; ${takes(schema, field)}`;
      return `${code(option)} (${taken}): ${textOf('LOSS_OPTIONS', option)}`;
    });
    return [code(name), textOf('LOSSES', name), taken.join('<br>')];
  });
}

/** @param {Schema} schema */
function optimizers(schema) {
  const all = records(schema, 'optimizer');
  const shared = all[0].fields.filter(({ name }) =>
    all.every(({ fields }) => fields.some((field) => field.name === name)),
  );
  const common = shared.filter(({ name }) => name !== 'learningRate' && name !== 'weightDecay');
  return [
    ...all.flatMap(({ type, fields }) => {
      const own = fields.filter(({ name }) => !common.some((field) => field.name === name));
      const about = `${textOf('OPTIMIZERS', type)}.`;
      return [`### ${type}`, '', about, '', ...options(schema, own, type)];
    }),
    '### Options of every optimizer',
    '',
    'At most one of the three clips. Refused is what could take a finite weight to infinity: ' +
      'learningRate · weightDecay above 2, learningRate above 1e16 · epsilon.',
    '',
    ...options(schema, common, 'optimizer'),
  ];
}

/** @param {Schema} schema */
const initializers = (schema) =>
  names(schema, 'initializer').map((name) => {
    const fields =
      schema.records.find(({ group, type }) => group === 'named' && type === name)?.fields ?? [];
    const told = fields.map(
      (field) => `${code(field.name)} (${fallback(schema, field)}; ${takes(schema, field)})`,
    );
    for (const field of fields) textOf('OPTIONS', `named.${field.name}`, field.name);
    return [code(name), textOf('INITIALIZERS', name), told.join('<br>')];
  });

/** @param {Schema} schema @returns {string} the page */
export function pageOf(schema) {
  used.clear();
  const model = records(schema, 'model')[0].fields.filter(({ name }) => name !== 'loss');
  const activations = names(schema, 'activation').map((name) => [
    code(name),
    textOf('ACTIVATIONS', name),
  ]);
  const lines = [
    text.HEAD,
    ...options(schema, model, 'model'),
    text.COMMON,
    '## Layers',
    '',
    ...layers(schema),
    '## Activations',
    '',
    ...tableOf(['activation', ''], activations),
    text.WEIGHTS,
    ...tableOf(['initializer', '', 'options (default; takes)'], initializers(schema)),
    text.TARGETS,
    ...tableOf(['loss', 'of one sample', 'options (default; takes)'], losses(schema)),
    '## Optimizers',
    '',
    text.UPDATES,
    '',
    ...optimizers(schema),
    text.DIFFERENCES,
  ];
  checkUsed([
    'LAYERS',
    'ACTIVATIONS',
    'INITIALIZERS',
    'LOSSES',
    'LOSS_OPTIONS',
    'OPTIMIZERS',
    'OPTIONS',
  ]);
  return `${lines.join('\n').trimEnd()}\n`;
}

const DIRECTIONS = /** @type {Record<string, string>} */ ({ up: 'more', down: 'less', none: '–' });

/** The page of metrics. @param {Schema} schema @returns {string} */
export function metricsPageOf(schema) {
  used.clear();
  const rows = records(schema, 'evaluation').map(({ type, group, fields }) => {
    const taken = fields
      .filter(({ name }) => name !== 'output')
      .map((field) => {
        const told = `${fallback(schema, field)}; ${takes(schema, field)}`;
        textOf('METRIC_OPTIONS', `${type}.${field.name}`, field.name);
        return `${code(field.name)} (${told})`;
      });
    const better = DIRECTIONS[group.slice(group.indexOf('-') + 1)];
    return [code(type), textOf('METRICS', type), better, taken.join('<br>')];
  });
  const meanings = Object.entries(text.METRIC_OPTIONS)
    .filter(([name]) => !name.includes('.'))
    .map(([name, meaning]) => [code(name), meaning]);
  const lines = [
    text.METRICS_PAGE,
    ...tableOf(['metric', '', 'better', 'options (default; takes)'], rows),
    ...tableOf(['option', ''], meanings),
  ];
  checkUsed(['METRICS', 'METRIC_OPTIONS']);
  return `${lines.join('\n').trimEnd()}\n`;
}

/** The page of schedules, and of what ends a run. @param {Schema} schema @returns {string} */
export function controlPageOf(schema) {
  used.clear();
  /**
   * @param {string} type @param {Field[]} fields @param {'SCHEDULES' | 'CONTROLS'} table
   * @param {'SCHEDULE_OPTIONS' | 'CONTROL_OPTIONS'} meanings @param {string[][]} first  rows
   */
  const section = (type, fields, table, meanings, first) => [
    `### ${type}`,
    '',
    `${textOf(table, type)}.`,
    '',
    ...tableOf(
      ['option', 'takes', 'default', ''],
      [
        ...first,
        ...fields.map((field) => [
          code(field.name),
          takes(schema, field),
          fallback(schema, field),
          textOf(meanings, `${type}.${field.name}`, field.name),
        ]),
      ],
    ),
  ];
  const watched = () => [
    [code('monitor'), 'a name', code("'valLoss'"), textOf('CONTROL_OPTIONS', 'monitor')],
    [
      code('mode'),
      ['auto', 'min', 'max'].map(code).join(', '),
      code("'auto'"),
      textOf('CONTROL_OPTIONS', 'mode'),
    ],
  ];
  const own = (/** @type {Field[]} */ fields) =>
    fields.filter(({ name }) => name !== 'monitor' && name !== 'mode');
  const lines = [
    text.CONTROL_PAGE,
    '## Schedules',
    '',
    text.ABOUT_SCHEDULES,
    '',
    ...records(schema, 'schedule').flatMap(({ type, fields }) =>
      section(type, fields, 'SCHEDULES', 'SCHEDULE_OPTIONS', []),
    ),
    '## What ends a run, or makes its rate less',
    '',
    ...records(schema, 'decision')
      .filter(({ type }) => Object.hasOwn(text.CONTROLS, type))
      .flatMap(({ type, fields }) =>
        section(type, own(fields), 'CONTROLS', 'CONTROL_OPTIONS', watched()),
      ),
    text.OTHER_CONTROLS,
  ];
  checkUsed(['SCHEDULES', 'SCHEDULE_OPTIONS', 'CONTROLS', 'CONTROL_OPTIONS']);
  return `${lines.join('\n').trimEnd()}\n`;
}

/** Refuses texts that nothing in the schema has. @param {string[]} tables */
function checkUsed(tables) {
  const unused = tables
    .flatMap((table) =>
      Object.keys(/** @type {any} */ (text)[table]).map((name) => `${table} ${name}`),
    )
    .filter((each) => !used.has(each));
  if (unused.length) {
    throw new Error(`docs-text.mjs tells of what is not in the schema: ${unused.join(', ')}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { build } = await import('./build.mjs');
  await build();
  const schema = await schemaOf();
  writeFileSync(PAGE, pageOf(schema));
  writeFileSync(METRICS_PAGE, metricsPageOf(schema));
  writeFileSync(CONTROL_PAGE, controlPageOf(schema));
}
