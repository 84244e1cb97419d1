/* table.mjs: how figures look on a terminal.
 *
 * A figure: what was measured, its value with spread and unit, the peer that was measured in the
 * same run with the ratio to it, and the goal where there is one. What could not be measured says
 * why in place of a value. Nothing is computed here but the ratio, where a question has not taken
 * it round by round. */

/**
 * @typedef {object} Figure
 * @property {string} what
 * @property {string} unit
 * @property {number} value
 * @property {number} [low]
 * @property {number} [high]
 * @property {number} [samples]
 * @property {string} [cannot] why there is no value, which is NaN then
 * @property {{ what: string, value: number, low?: number, high?: number, cannot?: string }} [peer]
 * @property {{ value: number, low: number, high: number }} [paired] ratio to the peer, of rounds
 * @property {{ most?: number, least?: number }} [goal]
 * @property {boolean} [detail] a part of another figure, for who looks for it: not published
 * @property {Record<string, string>} [of] where it belongs in a table of several columns
 */

/** @param {number} value three digits that count, whole numbers from 100 on */
export function digits(value) {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return value === 0 ? '0' : String(Number(value.toPrecision(3)));
}

/** @param {{ low?: number, high?: number }} summary */
export const spread = ({ low, high }) =>
  low === undefined || high === undefined ? '' : `${digits(low)} - ${digits(high)}`;

/** @param {Figure} figure @returns {boolean | undefined} */
export function isMet({ value, goal, cannot }) {
  if (!goal || cannot) return undefined;
  return !(value > (goal.most ?? Infinity)) && !(value < (goal.least ?? -Infinity));
}

/** @param {Figure} figure @returns {number | undefined} value over the peer's */
export function ratioOf({ value, cannot, peer, paired }) {
  if (paired) return paired.value;
  return peer && !cannot && !peer.cannot && peer.value !== 0 ? value / peer.value : undefined;
}

/** @param {NonNullable<Figure['goal']>} goal */
export const wantedOf = ({ most, least }) =>
  most === undefined ? `>= ${digits(/** @type {number} */ (least))}` : `<= ${digits(most)}`;

/** @param {Figure} figure */
function row(figure) {
  const { what, unit, value, peer, goal } = figure;
  const ratio = ratioOf(figure);
  return [
    what,
    figure.cannot ? 'cannot' : `${digits(value)} ${unit}`,
    spread(figure),
    peer ? `${peer.cannot ? 'cannot' : digits(peer.value)}  ${peer.what}` : '',
    ratio === undefined
      ? ''
      : `${digits(ratio)} x${figure.paired ? ` (${spread(figure.paired)})` : ''}`,
    goal && !figure.cannot ? `${wantedOf(goal)} ${isMet(figure) ? 'met' : 'MISSED'}` : '',
  ];
}

/** @param {string} title @param {Figure[]} figures @returns {string} */
export function table(title, figures) {
  const rows = [['figure', 'value', 'spread', 'peer', 'ratio', 'goal'], ...figures.map(row)];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((cells) => cells[column].length)));
  const right = [false, true, true, false, true, false];
  const lines = rows.map((cells) =>
    cells
      .map((cell, i) => (right[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  const reasons = new Set(
    figures.flatMap(({ what, cannot, peer }) => [
      ...(cannot ? [`  ${what} cannot be told: ${cannot}`] : []),
      ...(peer?.cannot ? [`  ${peer.what} cannot: ${peer.cannot}`] : []),
    ]),
  );
  return `\n${title}\n\n${lines.join('\n')}\n${reasons.size ? `\n${[...reasons].join('\n')}\n` : ''}`;
}
