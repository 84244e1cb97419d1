/* screenshot.mjs: `npm run screenshot`: docs/screenshot.png, the picture in README: the page as it
 * trains and reads a drawing. Builds what has changed, serves the checkout, and uses the page as a
 * person would. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { build } from '../../wasm-build/build.mjs';
import { asCommand, ensureTools } from '../../wasm-build/setup.mjs';
import { findChromium } from '../../wasm-build/toolchain.mjs';
import { buildDigits } from '../digits-data/build.js';
import { DEMO, serve } from '../serve/server.js';

const PICTURE = fileURLToPath(new URL('../../docs/screenshot.png', import.meta.url));
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** Epochs that the curves show. */
const EPOCHS = 6;
/**
 * A 3 as a hand draws it, two bows: centre and radius in parts of the pad, from and to in degrees.
 */
const THREE = [
  { x: 0.47, y: 0.34, radius: 0.16, from: -150, to: 80 },
  { x: 0.47, y: 0.66, radius: 0.18, from: -80, to: 150 },
];

/** @param {typeof THREE[number]} bow */
const along = ({ x, y, radius, from, to }) =>
  Array.from({ length: 24 }, (_, i) => {
    const angle = ((from + ((to - from) * i) / 23) * Math.PI) / 180;
    return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
  });

/** @param {import('playwright-core').Page} page */
async function drawThree(page) {
  const box = await page.locator('#pad').boundingBox();
  if (!box) throw new Error('the page shows no pad');
  for (const [i, [x, y]] of THREE.flatMap(along).entries()) {
    await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
    if (i === 0) await page.mouse.down();
  }
  await page.mouse.up();
}

/** @param {string} address */
async function takePicture(address) {
  const browser = await chromium.launch({ executablePath: findChromium(), args: ARGS });
  try {
    const page = await browser.newPage({
      viewport: { width: 1200, height: 940 },
      colorScheme: 'light',
    });
    await page.goto(address);
    await page.getByLabel('Epochs').selectOption('10');
    await page.getByRole('button', { name: 'Train', exact: true }).click();
    await drawThree(page);
    await page.waitForFunction(
      (rows) => document.querySelectorAll('#epoch-rows tr').length >= rows,
      EPOCHS,
      { timeout: 300_000 },
    );
    await page.mouse.move(0, 0);
    mkdirSync(dirname(PICTURE), { recursive: true });
    await page.screenshot({ path: PICTURE });
    const alert = page.locator('#alert');
    if (await alert.isVisible()) throw new Error(`the page says: ${await alert.textContent()}`);
  } finally {
    await browser.close();
  }
}

await asCommand(async () => {
  ensureTools(['build', 'test']);
  await build();
  buildDigits();
  const server = await serve();
  try {
    await takePicture(server.url + DEMO);
  } finally {
    await server.close();
  }
  console.log(PICTURE);
});
