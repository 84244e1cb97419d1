/* guess.js: asks the network what is on the pad, and shows the answer: ten bars, a digit, a
 * sentence.
 * Invariant: one question is under way at a time, and the last one asked is always about what is on
 * the pad. */
import { percent } from './words.js';

/**
 * @param {object} parts
 * @param {HTMLElement} parts.bars
 * @param {HTMLElement} parts.digit
 * @param {HTMLElement} parts.text
 * @param {(pixels: Uint8Array) => Promise<{ output: Float32Array, index?: number, confidence?:
 *   number } | null>} parts.predict
 * @param {(sentence: string) => void} parts.say for those who cannot see it
 * @param {(error: any, doing: string) => void} parts.failed
 */
export function createGuess({ bars, digit, text, predict, say, failed }) {
  const meters = Array.from({ length: 10 }, (_, i) => createBar(bars, i));
  /** @type {Uint8Array | null} */
  let pixels = null;
  /** @type {number | null} what it really is, where that is known */
  let truth = null;
  let wanted = false;
  let asking = false;
  let spoken = '';

  /**
   * Asks, and asks again as long as there is something newer to ask about; once a frame at most.
   */
  async function ask() {
    wanted = true;
    if (asking) return;
    asking = true;
    try {
      while (wanted) {
        wanted = false;
        const about = pixels;
        const answer = about && (await predict(about));
        if (about === pixels) show(answer);
        else wanted = true;
        await new Promise(requestAnimationFrame);
      }
    } catch (error) {
      failed(error, 'Reading the drawing');
    } finally {
      asking = false;
    }
  }

  /** @param {Awaited<ReturnType<typeof predict>>} answer */
  function show(answer) {
    const index = answer?.index;
    meters.forEach((meter, i) => meter(answer?.output[i] ?? 0, i === index));
    digit.textContent = index === undefined ? '?' : String(index);
    digit.dataset.empty = String(index === undefined);
    text.textContent = sentence(index, answer?.confidence ?? 0);
    const about = index === undefined ? '' : `${index} ${truth}`;
    // The digit changed; a percentage alone is not worth a word.
    if (about !== spoken && about) say(text.textContent);
    spoken = about;
  }

  /** @param {number | undefined} index @param {number} confidence */
  function sentence(index, confidence) {
    const known = truth === null ? '' : ` It is a held-out ${truth}.`;
    if (index !== undefined) {
      const reading = `Reads as ${index}, ${percent(confidence)} sure.`;
      if (truth === null) return reading;
      return `${reading} ${index === truth ? 'Right' : 'Wrong'}: it is a held-out ${truth}.`;
    }
    return pixels ? `Press Train to have it read.${known}` : 'Draw a digit, or have one shown.';
  }

  return {
    /** @param {Uint8Array | null} shown @param {number | null} [digitShown] */
    about(shown, digitShown = null) {
      pixels = shown;
      truth = digitShown;
      return ask();
    },
    /** The network has learnt something. */
    again: ask,
  };
}

/**
 * @param {HTMLElement} parent
 * @param {number} digit
 * @returns {(probability: number, best: boolean) => void}
 */
function createBar(parent, digit) {
  const bar = document.createElement('div');
  const fill = document.createElement('span');
  const name = document.createElement('span');
  const value = document.createElement('span');
  const track = document.createElement('span');
  bar.className = 'bar';
  track.className = 'track';
  fill.className = 'fill';
  name.className = 'name';
  value.className = 'value';
  name.textContent = String(digit);
  const attributes = {
    role: 'meter',
    'aria-label': `Digit ${digit}`,
    'aria-valuemin': '0',
    'aria-valuemax': '100',
  };
  for (const [key, value] of Object.entries(attributes)) {
    bar.setAttribute(key, value);
  }
  track.append(fill);
  bar.append(track, name, value);
  parent.append(bar);
  let shown = '';
  return (probability, best) => {
    fill.style.transform = `scaleY(${probability.toFixed(3)})`;
    bar.dataset.best = String(best);
    if (percent(probability) === shown) return;
    shown = percent(probability);
    bar.setAttribute('aria-valuenow', String(Math.round(100 * probability)));
    bar.setAttribute('aria-valuetext', shown);
    value.textContent = probability < 0.005 ? '' : shown.replace(/\s/g, '');
    bar.title = `${digit}: ${shown}`;
  };
}
