/* normalise.js: a drawing as MNIST has its digits: scaled, its proportions kept, into a box of
 * 20 x 20 pixels, and put into 28 x 28 so that its centre of mass is in the middle. Pure; nothing
 * of the page is known here. */

export const SIDE = 28;
const BOX = 20;
const MIDDLE = SIDE / 2;
/** Points of the drawing that are averaged for a pixel, in each direction. */
const SAMPLES = 8;

/**
 * @param {Uint8Array | Uint8ClampedArray} ink 0 paper, 255 ink, row by row
 * @param {number} side of the drawing, in pixels
 * @returns {Uint8Array | null} null: there is no ink
 */
export function normalise(ink, side) {
  const { left, right, top, bottom, mass, x, y } = measure(ink, side);
  if (mass === 0) return null;
  // Of the drawing, for one pixel of the result.
  const step = Math.max(right - left, bottom - top) / BOX;
  const originX = x / mass - MIDDLE * step;
  const originY = y / mass - MIDDLE * step;
  const result = new Uint8Array(SIDE * SIDE);
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      const [fromX, fromY] = [originX + column * step, originY + row * step];
      result[row * SIDE + column] = mean(ink, side, fromX, fromY, step);
    }
  }
  return result;
}

/** The box around the ink, its mass, and its first moments. */
function measure(/** @type {ArrayLike<number>} */ ink, /** @type {number} */ side) {
  let [left, right, top, bottom, mass, x, y] = [side, 0, side, 0, 0, 0, 0];
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const value = ink[row * side + column];
      if (value === 0) continue;
      left = Math.min(left, column);
      right = Math.max(right, column + 1);
      top = Math.min(top, row);
      bottom = Math.max(bottom, row + 1);
      mass += value;
      x += value * (column + 0.5);
      y += value * (row + 0.5);
    }
  }
  return { left, right, top, bottom, mass, x, y };
}

/**
 * Of a square of the drawing; what lies outside of it is paper.
 * @param {ArrayLike<number>} ink @param {number} side
 * @param {number} left @param {number} top @param {number} size
 */
function mean(ink, side, left, top, size) {
  let sum = 0;
  for (let i = 0; i < SAMPLES; i++) {
    const row = Math.floor(top + (size * (i + 0.5)) / SAMPLES);
    if (row < 0 || row >= side) continue;
    for (let j = 0; j < SAMPLES; j++) {
      const column = Math.floor(left + (size * (j + 0.5)) / SAMPLES);
      if (column >= 0 && column < side) sum += ink[row * side + column];
    }
  }
  return Math.round(sum / (SAMPLES * SAMPLES));
}
