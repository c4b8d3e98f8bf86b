/**
 * Visits of the demo for its tests. In: which tiers run, what kind of screen. Out: a page on the real site, with every
 * violation of the policy collected, and the pictures that go to tests/out/.
 * One decision: everything is what `npm start` serves: same server, same policy, same engine.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../scripts/lib/paths.mjs';

export const OUT = join(root, 'tests', 'out');

export const SCREENS = {
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
  desktop: { viewport: { width: 1280, height: 860 } },
};

/** A page at one demo: `draw`, `listen` or `model`. */
export async function visit(browser, stack, demo, { screen = 'desktop', scheme = 'light', ...context } = {}) {
  const opened = await browser.page({ ...SCREENS[screen], colorScheme: scheme, ...context });
  const { page } = opened;
  const violations = [];
  await page.exposeBinding('reportViolation', (_, what) => violations.push(what));
  await page.addInitScript(() => addEventListener('securitypolicyviolation', (event) =>
    window.reportViolation(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`)));
  await page.goto(`${stack.url}/#${demo}`);
  await started(page);
  return {
    ...opened,
    violations,
    text: (selector) => page.locator(selector).innerText(),
    /** Only this origin was asked, no error was reported, and the policy held. */
    sound(options) {
      opened.check([stack.url], options);
      assert.deepEqual(violations, [], 'violations of the policy');
    },
    /** The demo's result as a picture: what is in view on a desktop, the whole page on a phone. */
    async picture(name) {
      mkdirSync(OUT, { recursive: true });
      await page.evaluate(() => scrollTo(0, 0));
      const path = join(OUT, `${name}-${screen}-${scheme}.png`);
      const image = await page.screenshot({ path, fullPage: screen === 'phone' });
      assert.ok(image.length > 20_000, `${path} shows next to nothing`);
    },
  };
}

/** The demo in view takes input. */
export const started = (page) => page.locator('.pane:not([hidden]):not([inert]) .route').waitFor();

/** Draws strokes on the pad with the mouse, as a hand would. */
export async function draw(page, strokes) {
  await started(page);
  const box = await page.locator('#pad').boundingBox();
  const at = ({ x, y }) => [box.x + x * box.width, box.y + y * Math.min(box.width, box.height)];
  for (const [first, ...rest] of strokes) {
    await page.mouse.move(...at(first));
    await page.mouse.down();
    // Every other point: as coarse as a quick finger's, and half the time.
    for (const point of rest.filter((_, i) => i % 2 || i === rest.length - 1)) await page.mouse.move(...at(point));
    await page.mouse.up();
  }
}

/** Waits until `selector`'s text matches. */
export async function reads(page, selector, pattern, timeout = 30_000) {
  try {
    await page.waitForFunction(([where, source]) => new RegExp(source).test(document.querySelector(where)?.textContent ?? ''),
      [selector, pattern.source], { timeout });
  } catch {
    assert.match(await page.locator(selector).textContent(), pattern, `${selector} after ${timeout} ms`);
  }
}

/** Waits for the panel of `id` to say that `source` answered. */
export async function ranAt(page, id, source) {
  await page.waitForFunction(([where, place]) => document.getElementById(where).dataset.source === place, [id, source], { timeout: 30_000 })
    .catch(async () => assert.fail(`${id}: expected ${source}, the panel says:\n${await page.locator(`#${id}`).innerText()}`));
}

/** Moves a range input as a hand would leave it. */
export const slide = (page, selector, value) => page.locator(selector).evaluate((input, to) => {
  input.value = String(to);
  input.dispatchEvent(new Event('input', { bubbles: true }));
  input.dispatchEvent(new Event('change', { bubbles: true }));
}, value);
