/* acts.js: what only a page can do for tried.js: it gives up workers that are modules, strikes its
 * worker, waits for a progress bar and chooses an option. */

/**
 * For a page, before anything else: its workers cannot be modules. Knows no option but the name, so
 * that a module is a script with a syntax error.
 */
export function ignores() {
  const Real = globalThis.Worker;
  globalThis.Worker = /** @type {any} */ (
    class extends Real {
      constructor(url, { name } = {}) {
        super(url, { name });
      }
    }
  );
}

/** Speaks to the workers whose script begins with BLOWS. @param {string} blow */
export function strike(blow) {
  const channel = new BroadcastChannel('strike');
  channel.postMessage(blow);
  channel.close();
}

/** What a worker's script begins with that can be struck. */
export const BLOWS = `
  new BroadcastChannel('strike').onmessage = ({ data }) => {
    if (data === 'error') setTimeout(() => { throw new Error('struck by lightning'); });
    if (data === 'end') close();
    if (data === 'stand still') for (;;);
  };\n`;

/** Until the bar stands beyond where it is. @param {string} selector */
export const moves = (selector) =>
  new Promise((resolve) => {
    const bar = document.querySelector(selector);
    const from = bar.value;
    new MutationObserver(() => bar.value > from && resolve(bar.value)).observe(bar, {
      attributes: true,
    });
  });

/** As a person does it. @param {string} selector @param {string} value */
export function choose(selector, value) {
  const select = document.querySelector(selector);
  select.value = value;
  select.dispatchEvent(new Event('change', { bubbles: true }));
}

export const isIsolated = () => crossOriginIsolated;
