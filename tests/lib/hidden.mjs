// A Chromium whose pages can be hidden and frozen. In: flags. Out: `open(url)` gives a page { evaluate(call, argument),
// hide(), show(), freeze(), thaw() }; `close()`.
// The one decision: no playwright, which holds every page of its own for visible and focused, whatever lies before it. The
// browser is spoken to over a pipe.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { findChromium } from '../../scripts/lib/system.mjs';

const FLAGS = ['--headless=new', '--remote-debugging-pipe', '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** Calls over a pipe of messages that end in a zero. */
function caller([, , , to, from]) {
  const waiting = new Map();
  let [count, text] = [0, ''];
  from.setEncoding('utf8').on('data', (data) => {
    const messages = (text + data).split('\0');
    text = messages.pop();
    for (const { id, error, result } of messages.map((message) => JSON.parse(message))) {
      const { resolve, reject } = waiting.get(id) ?? {};
      waiting.delete(id);
      if (error) reject?.(new Error(error.message));
      else resolve?.(result);
    }
  });
  from.on('close', () => waiting.forEach(({ reject }) => reject(new Error('the browser has ended'))));
  return (method, params = {}, sessionId = undefined) => new Promise((resolve, reject) => {
    count += 1;
    waiting.set(count, { resolve, reject });
    to.write(`${JSON.stringify({ id: count, method, params, sessionId })}\0`);
  });
}

export async function hideable(flags = []) {
  const executable = findChromium();
  if (!executable) throw new Error('no Chromium: npm run setup, or set NEARSIDE_CHROMIUM');
  const profile = mkdtempSync(join(tmpdir(), 'nearside-hidden-'));
  const child = spawn(executable, [...FLAGS, `--user-data-dir=${profile}`, ...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const ended = once(child, 'exit');
  const call = caller(child.stdio);
  const { targetId: other } = await call('Target.createTarget', { url: 'about:blank' });

  async function open(url) {
    const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
    const own = (method, params) => call(method, params, sessionId);
    // It answers when the page has come.
    const { errorText } = await own('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    const lifecycle = (state) => own('Page.setWebLifecycleState', { state });
    return {
      hide: () => call('Target.activateTarget', { targetId: other }),
      show: () => call('Target.activateTarget', { targetId }),
      freeze: () => lifecycle('frozen'),
      thaw: () => lifecycle('active'),
      /** What a function of one argument, or an expression, gives in the page. */
      async evaluate(work, argument) {
        const expression = typeof work === 'string' ? work : `(${work})(${JSON.stringify(argument)})`;
        const { result, exceptionDetails } = await own('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
        if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value;
      },
    };
  }

  return {
    open,
    async close() {
      call('Browser.close').catch(() => {});
      await ended;
      // Processes below the first one may write for a moment longer.
      rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
    },
  };
}
