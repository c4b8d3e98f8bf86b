// A Chromium for tests. In: nothing, or playwright's launch options. Out: `launch()` gives { browser, page(), close() };
// `page()` gives a playwright page with `requests`, `errors` and `check()`.
// The one decision: the network log is kept for the whole context, workers included, so that `check()` can say that
// nothing but the origins it is given was asked for.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { findChromium } from '../../scripts/lib/system.mjs';

/**
 * A call into a page that takes longer has the page closed: what waits in it fails under its test's name, and the file's
 * other tests run. It is the call that is timed: a page that all tests of a file share may be open for as long as it takes.
 */
const CALL_LIMIT_MS = 6 * 60 * 1000;

const FLAGS = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export async function launch(options = {}) {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('no Chromium: npm run setup, or set NEARSIDE_CHROMIUM');
  const browser = await chromium.launch({ executablePath, headless: true, ...options, args: [...FLAGS, ...(options.args ?? [])] });
  return { browser, page: (contextOptions) => openPage(browser, contextOptions), close: () => browser.close() };
}

/** Schemes that never leave the machine. */
const LOCAL = /^(data|blob|about|chrome-extension):/;

/** The page, no call into which waits for ever; `evaluate` is the only one that playwright does not bound itself. */
export function bounded(page, limit = CALL_LIMIT_MS) {
  const evaluate = page.evaluate.bind(page);
  page.evaluate = async (...args) => {
    const overdue = setTimeout(() => void page.close({ reason: `a call into the page took over ${limit / 1000} s` }), limit);
    try {
      return await evaluate(...args);
    } finally {
      clearTimeout(overdue);
    }
  };
  return page;
}

async function openPage(browser, contextOptions) {
  const context = await browser.newContext(contextOptions);
  const page = bounded(await context.newPage());
  const requests = [];
  const errors = [];
  context.on('request', (request) => requests.push({ url: request.url(), method: request.method(), type: request.resourceType() }));
  context.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  context.on('weberror', (error) => errors.push(error.error().message));
  return {
    page,
    context,
    requests,
    errors,
    /** No host but `origins` was asked, and nothing was reported as an error; `allow` names errors that are meant. */
    check(origins, { allow = [] } = {}) {
      const allowed = [].concat(origins).map((origin) => new URL(origin).origin);
      const foreign = requests.filter(({ url }) => !LOCAL.test(url) && !allowed.includes(new URL(url).origin));
      assert.deepEqual(foreign, [], 'requests to other hosts');
      const unexpected = errors.filter((text) => !allow.some((pattern) => pattern.test(text)));
      assert.deepEqual(unexpected, [], 'errors in the page');
    },
    close: () => context.close(),
  };
}
