/* meter.js: whether the page is free: frames a second, the longest gap between two, the latest
 * frames as bars, and a ball that each frame moves on, so that one sees a gap.
 * Invariant: only time in which the page was visible counts. With reduced motion nothing moves: the
 * ball rests, and the bars change once a second. */

const SECOND = 1000;
const RECENT = 5 * SECOND;
/** A bar of full height, in ms: a gap at which everybody sees the page hang. */
const FULL = 100;
/** Two frames at 60 Hz and a little: from here on a frame was missed. */
const MISSED = 34;
const BAR = 4;
const SWING = 2400;

/**
 * @param {object} parts
 * @param {HTMLCanvasElement} parts.canvas
 * @param {HTMLElement} parts.rate
 * @param {HTMLElement} parts.gap
 * @param {HTMLElement} parts.gapOfRun
 */
export function createMeter({ canvas, rate, gap, gapOfRun }) {
  const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  /** @type {Array<{ at: number, gap: number }>} */
  let frames = [];
  let last = NaN;
  let told = 0;
  let longestOfRun = 0;
  let running = false;
  let palette = readPalette();
  let size = { width: 0, height: 0, scale: 1 };

  /** @param {number} now */
  function frame(now) {
    requestAnimationFrame(frame);
    if (!Number.isNaN(last)) {
      frames.push({ at: now, gap: now - last });
      if (running) longestOfRun = Math.max(longestOfRun, now - last);
    }
    last = now;
    while (frames.length > 0 && frames[0].at < now - RECENT) frames.shift();
    const tell = now - told >= SECOND / 2;
    if (tell) {
      told = now;
      palette = readPalette();
      write(now);
    }
    if (tell || !still.matches) draw(now);
  }

  /** @param {number} now */
  function write(now) {
    const lately = frames.filter(({ at }) => at > now - SECOND).length;
    rate.textContent = frames.length === 0 ? '–' : String(lately);
    const longest = Math.round(Math.max(...frames.map((each) => each.gap)));
    gap.textContent = frames.length === 0 ? '–' : `${longest} ms`;
    gapOfRun.textContent = longestOfRun === 0 ? '–' : `${Math.round(longestOfRun)} ms`;
  }

  /** @param {number} now */
  function draw(now) {
    const { width, height, scale } = size;
    brush.setTransform(scale, 0, 0, scale, 0, 0);
    brush.clearRect(0, 0, width, height);
    const floor = height - 1;
    const room = height - 30;
    brush.fillStyle = palette.line;
    brush.fillRect(0, floor, width, 1);
    const shown = frames.slice(-Math.floor(width / BAR));
    shown.forEach((each, i) => {
      const tall = Math.max(Math.min(each.gap / FULL, 1) * room, 2);
      brush.fillStyle = each.gap > MISSED ? palette.bad : palette.good;
      brush.fillRect(width - (shown.length - i) * BAR, floor - tall, BAR - 1, tall);
    });
    const swing = still.matches ? 0 : Math.sin((now / SWING) * 2 * Math.PI);
    brush.fillStyle = palette.ball;
    brush.beginPath();
    brush.arc(width / 2 + swing * (width / 2 - 10), 12, 9, 0, 2 * Math.PI);
    brush.fill();
  }

  new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = canvas;
    const scale = devicePixelRatio;
    size = { width, height, scale };
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }).observe(canvas);
  // A hidden page has no frames, and that is no gap.
  document.addEventListener('visibilitychange', () => {
    last = NaN;
    frames = [];
  });
  requestAnimationFrame(frame);

  return {
    /** A run begins or ends: the longest gap is one of a run. @param {boolean} on */
    run(on) {
      if (on && !running) longestOfRun = 0;
      running = on;
    },
  };
}

function readPalette() {
  const style = getComputedStyle(document.documentElement);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
  return {
    good: colour('--held'),
    bad: colour('--bad'),
    ball: colour('--light'),
    line: colour('--line'),
  };
}
