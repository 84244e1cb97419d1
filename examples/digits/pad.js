/* pad.js: the drawing pad: pen, finger or mouse draw on it, or it shows a digit that is given.
 * Invariant: on.change is told after each change, with what the network is to get: a drawing as
 * MNIST would have it, a given digit byte by byte, null where the pad is empty. What becomes of it
 * is not known here. */
import { SIDE, normalise } from './normalise.js';

/**
 * Of the pad's side: strokes of MNIST are about an eighth of a digit's height, and people fill two
 * thirds of a pad.
 */
const PEN = 0.08;
const INK = '#fff4dc';

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{ change: (pixels: Uint8Array | null) => void }} on
 */
export function createPad(canvas, on) {
  const side = canvas.width;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const brush = /** @type {CanvasRenderingContext2D} */ (context);
  Object.assign(brush, {
    strokeStyle: INK,
    fillStyle: INK,
    lineWidth: PEN * side,
    lineCap: 'round',
    lineJoin: 'round',
  });
  /** @type {{ x: number, y: number } | null} where the pen was last */
  let last = null;
  /**
   * @type {{ x: number, y: number } | null} how far the line goes: half way to where the pen was
   *   last
   */
  let drawn = null;
  /** @type {number | null} the one pointer that draws: a second finger does not */
  let pointer = null;
  let given = false;
  let due = 0;

  /** @param {PointerEvent} event */
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) * side) / box.width,
      y: ((event.clientY - box.top) * side) / box.height,
    };
  }

  /**
   * Curves through the middles between the places of the pen, so that a quick line is round too.
   * @param {PointerEvent} event
   */
  function draw(event) {
    const to = place(event);
    last ??= to;
    drawn ??= to;
    const middle = { x: (last.x + to.x) / 2, y: (last.y + to.y) / 2 };
    stroke(drawn, last, middle);
    drawn = middle;
    last = to;
    changed();
  }

  function lift() {
    if (drawn && last) stroke(drawn, last, last);
    pointer = last = drawn = null;
    changed();
  }

  /**
   * @param {{ x: number, y: number }} from
   * @param {{ x: number, y: number }} by
   * @param {{ x: number, y: number }} to
   */
  function stroke(from, by, to) {
    brush.beginPath();
    brush.moveTo(from.x, from.y);
    brush.quadraticCurveTo(by.x, by.y, to.x, to.y);
    brush.stroke();
  }

  function changed() {
    canvas.setAttribute('aria-label', 'Drawing pad, with your drawing');
    due ||= requestAnimationFrame(tell); // the pad is read once a frame, however fast the pen is
  }

  function tell() {
    due = 0;
    const { data } = brush.getImageData(0, 0, side, side);
    const ink = new Uint8Array(side * side);
    for (let i = 0; i < ink.length; i++) ink[i] = data[4 * i + 3];
    on.change(normalise(ink, side));
  }

  function wipe() {
    cancelAnimationFrame(due);
    due = 0;
    given = false;
    brush.clearRect(0, 0, side, side);
  }

  canvas.addEventListener('pointerdown', (event) => {
    if (pointer !== null || event.button !== 0) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
    if (given) wipe();
    draw(event);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (event.pointerId !== pointer) return;
    const passed = event.getCoalescedEvents?.() ?? [];
    for (const each of passed.length > 0 ? passed : [event]) draw(each);
  });
  for (const type of ['pointerup', 'pointercancel']) {
    canvas.addEventListener(type, (event) => {
      if (/** @type {PointerEvent} */ (event).pointerId === pointer) lift();
    });
  }

  return {
    clear() {
      wipe();
      canvas.setAttribute('aria-label', 'Drawing pad, empty');
      on.change(null);
    },

    /** @param {Uint8Array} pixels @param {number} digit what it is */
    show(pixels, digit) {
      wipe();
      given = true;
      const image = paint(document.createElement('canvas'), pixels);
      brush.imageSmoothingQuality = 'high';
      brush.drawImage(image, 0, 0, side, side);
      canvas.setAttribute('aria-label', `Drawing pad, showing a test digit, a ${digit}`);
      on.change(pixels);
    },
  };
}

/**
 * An image of the network's size, ink on nothing.
 * @param {HTMLCanvasElement} canvas
 * @param {Uint8Array | null} pixels
 */
export function paint(canvas, pixels) {
  canvas.width = canvas.height = SIDE;
  if (!pixels) return canvas;
  const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const image = brush.createImageData(SIDE, SIDE);
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(INK.slice(at, at + 2), 16));
  pixels.forEach((value, i) => image.data.set([red, green, blue, value], 4 * i));
  brush.putImageData(image, 0, 0);
  return canvas;
}
