/* webdriver.js: a page in a browser that is driven by the W3C's WebDriver commands, whoever carries
 * them: firefox.js and webkit.js. Invariant: every promise settles: a command that is not answered
 * within its limit rejects and says which it was; a browser that ends rejects all that is asked of
 * it. What is tried in the page is not known here. */

/**
 * What carries a command to a browser and its result back.
 * @typedef {(command: string, parameters?: object) => Promise<any>} Send
 */
/**
 * @typedef {object} Page
 * @property {(url: string) => Promise<void>} goto
 * @property {() => Promise<void>} reload
 * @property {(module: string, name: string, ...args: any[]) => Promise<any>} call a function that
 *   the module exports, in the page; arguments and result cross as JSON
 * @property {(selector: string) => Promise<void>} click what it finds
 * @property {(selector: string) => Promise<void>} stroke draws a line down the middle of it
 * @property {(selector: string, text: string) => Promise<string>} says waits until the text of
 *   what is found matches a regular expression; gives the text
 */
/** @typedef {{ version: string, page: Page, close: () => Promise<void> }} Browser */

/** Most that one command may take, in ms: what hangs longer is broken. */
export const LIMIT = 120_000;

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {string} what
 * @returns {Promise<T>}
 */
export async function within(promise, what, limit = LIMIT) {
  /** @type {any} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: no answer within ${limit} ms`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/* The scripts run in a world of the driver's own, which has the page's document but may not import:
 * a script element of the page does (asked.js), and both speak by events of the document. */
const ASK = `
  const [question, done] = arguments;
  addEventListener('engine-answer', ({ detail }) => done(detail), { once: true });
  const ask = () => dispatchEvent(new CustomEvent('engine-question', { detail: question }));
  if (document.documentElement.dataset.asked) return ask();
  const script = document.createElement('script');
  script.type = 'module';
  script.src = '/tests/engines/asked.js';
  script.onload = ask;
  script.onerror = () => done(JSON.stringify({ error: 'asked.js could not be loaded' }));
  document.head.append(script);`;

const TEXT = 'return document.querySelector(arguments[0])?.textContent ?? null;';
const CENTRE = `
  const element = document.querySelector(arguments[0]);
  element.scrollIntoView({ block: 'center', behavior: 'instant' });
  const { left, top, width, height } = element.getBoundingClientRect();
  return [left + width / 2, top, height];`;

/** @param {Send} send @returns {Promise<Page>} */
export async function openPage(send) {
  await send('SetTimeouts', { script: LIMIT, pageLoad: LIMIT, implicit: 0 });
  const execute = (/** @type {string} */ script, /** @type {any[]} */ ...args) =>
    send('ExecuteScript', { script, args }).then(valueOf);
  const pointer = (/** @type {any[]} */ actions) =>
    send('PerformActions', {
      actions: [{ type: 'pointer', id: 'mouse', parameters: { pointerType: 'mouse' }, actions }],
    });
  const move = (/** @type {number} */ x, /** @type {number} */ y, duration = 0) => ({
    type: 'pointerMove',
    origin: 'viewport',
    duration,
    x: Math.round(x),
    y: Math.round(y),
  });
  const [down, up] = ['pointerDown', 'pointerUp'].map((type) => ({ type, button: 0 }));
  return {
    goto: (url) => send('Navigate', { url }),
    reload: () => send('Refresh', {}),
    async call(module, name, ...args) {
      const question = JSON.stringify({ module, name, args });
      const answer = await send('ExecuteAsyncScript', { script: ASK, args: [question] });
      const { result, error } = JSON.parse(valueOf(answer));
      if (error !== undefined) throw new Error(`in the page: ${error}`);
      return result;
    },
    async click(selector) {
      const [x, y, height] = await execute(CENTRE, selector);
      await pointer([move(x, y + height / 2), down, up]);
    },
    async stroke(selector) {
      const [x, y, height] = await execute(CENTRE, selector);
      const way = [0.35, 0.5, 0.65, 0.8].map((part) => move(x, y + part * height, 20));
      await pointer([move(x, y + 0.2 * height), down, ...way, up]);
    },
    async says(selector, pattern) {
      const matches = new RegExp(pattern);
      let text = null;
      for (const until = performance.now() + LIMIT; performance.now() < until;) {
        text = await execute(TEXT, selector);
        if (text !== null && matches.test(text)) return text;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`${selector} says '${text}' after ${LIMIT} ms, expected ${pattern}`);
    },
  };
}

/** Marionette wraps what a script gives. @param {any} result */
const valueOf = (result) =>
  result !== null && typeof result === 'object' && 'value' in result ? result.value : result;
