/* words.js: numbers and states as people read them, errors as people read them, and what is said to
 * those who listen. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** @param {number} value */
export const count = (value) => whole.format(value);

/** Never "100 %" of what is less. @param {number} part of 1 */
export function percent(part, digits = 0) {
  const scale = 10 ** digits;
  const shown = part < 1 ? Math.min(Math.round(100 * part * scale), 100 * scale - 1) / scale : 100;
  return `${shown.toFixed(digits)} %`;
}

/** @param {number} value */
export const loss = (value) => (value < 10 ? value.toFixed(3) : value.toPrecision(4));

/** @param {number} seconds */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const rounded = Math.round(seconds);
  return `${Math.floor(rounded / 60)} min ${String(rounded % 60).padStart(2, '0')} s`;
}

/** @param {number} bytes */
export const mebibytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;

/** @param {any} error */
export function errorText(error) {
  const message = error?.message || String(error);
  return error?.code ? `${message} (${error.code})` : message;
}

/** What happened to a trainer, in a line. @type {Record<string, (detail: any) => string>} */
export const HAPPENED = {
  reloaded: () => 'Went on where it was when the page was left.',
  busy: () => 'Another tab has the stored run: what is trained here is not stored.',
  restart: ({ step }) =>
    `The worker was lost and replaced; training went on from step ${count(step)}.`,
  fallback: () => 'No worker could be kept alive: training goes on on the main thread.',
  resumed: ({ ms }) =>
    `The browser had stopped this tab for ${duration(ms / 1000)}; training goes on.`,
  warning: ({ message }) => `Training goes on, but ${message}.`,
};

/**
 * Speaks politely: the latest sentence, and none within five seconds of the one before unless it is
 * urgent.
 * @param {HTMLElement} region
 */
export function createSpeaker(region) {
  const PAUSE = 5000;
  let next = 0;
  let timer = 0;
  /** @param {string} sentence @param {boolean} [urgent] */
  return function say(sentence, urgent = false) {
    clearTimeout(timer);
    const wait = urgent ? 0 : next - performance.now();
    timer = setTimeout(
      () => {
        region.textContent = sentence;
        next = performance.now() + PAUSE;
      },
      Math.max(wait, 0),
    );
  };
}
