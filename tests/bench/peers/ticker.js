/* ticker.js: a worker that says something ten times a second, for what hearing it costs. In a page.
 */
setInterval(
  () => postMessage({ v: 1, id: 1, type: 'TRAINING_PROGRESS', payload: { epoch: 1, loss: 1 } }),
  100,
);
