/* asked.js: in the page: calls a function of a module when the driver asks (webdriver.js), and
 * answers with what it gives, or its error. What the page complains of meanwhile it keeps. */

/** @type {string[]} */
const complaints = [];
addEventListener('error', ({ message }) => complaints.push(`uncaught: ${message}`));
addEventListener('unhandledrejection', ({ reason }) => complaints.push(`unhandled: ${reason}`));
addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
  complaints.push(`policy: ${violatedDirective} ${blockedURI}`),
);
for (const level of ['error', 'warn']) {
  const log = console[level];
  console[level] = (...args) => {
    complaints.push(`${level}: ${args.join(' ')}`);
    log(...args);
  };
}

/** What the page complained of since it was first asked. */
export const said = () => complaints;

addEventListener('engine-question', async ({ detail: question }) => {
  const { module, name, args } = JSON.parse(question);
  let answer;
  try {
    const exports = await import(module);
    answer = { result: await exports[name](...args) };
  } catch (error) {
    answer = { error: `${error?.name}: ${error?.message}\n${error?.stack}` };
  }
  dispatchEvent(new CustomEvent('engine-answer', { detail: JSON.stringify(answer) }));
});
document.documentElement.dataset.asked = 'yes';
