// Fresh pages. In: a Chromium, a site's address. Out: `inWorker(op -> ...)`: the bench's worker in a page of its own.
// The one decision: a page, its memory and its compiled code live for one measurement of one model, so that none
// bears what another left behind.
const LATE_MS = 10 * 60_000;

async function fresh(chromium, url, work) {
  const tab = await chromium.page();
  const { page } = tab;
  page.setDefaultTimeout(LATE_MS);
  const crashed = new Promise((_, reject) => page.on('crash', () => reject(new Error('the page crashed: its memory did not suffice'))));
  // Who is not waiting when it crashes must not end the process.
  crashed.catch(() => {});
  try {
    await page.goto(url);
    return await Promise.race([work(page), crashed]);
  } finally {
    await tab.close().catch(() => {});
  }
}

/** `work` gets `ask(op, args)`. */
export const inWorker = (chromium, url, work) => fresh(chromium, url, async (page) => {
  await page.evaluate(startWorker);
  return work((op, args) => page.evaluate(askWorker, { op, args }));
});

/** Imports a module of the bench in the page itself and calls one of its functions. */
export const inPage = (chromium, url, module, name, args) =>
  fresh(chromium, url, (page) => page.evaluate(callModule, { module, name, args }));

// What follows runs in the page.

async function callModule({ module, name, args }) {
  return (await import(module))[name](args);
}

function startWorker() {
  globalThis.bench = new Worker('/bench/worker.mjs', { type: 'module' });
}

function askWorker({ op, args }) {
  const id = crypto.randomUUID();
  return new Promise((resolve, reject) => {
    bench.onerror = (event) => reject(new Error(`the worker failed: ${event.message}`));
    bench.onmessage = ({ data }) => {
      if (data.id === id) (data.error === undefined ? resolve(data.value) : reject(new Error(data.error)));
    };
    bench.postMessage({ id, op, args });
  });
}
