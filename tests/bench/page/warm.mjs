// From a page that has the scripts to the first result on the GPU. In: an engine's name, a model's address, its inputs.
// Out: milliseconds, the page's longest task meanwhile (0: none over 50 ms, which browsers do not tell), the outputs.
import { startEngine, plainResults } from './engines.mjs';
import { decode, encode } from './wire.mjs';

/** Until the browser has told of the last long task. */
const TOLD_MS = 100;

export async function warmUp({ engine: name, model, feeds, outputs }) {
  const tensors = decode(feeds);
  const bytes = new Uint8Array(await (await fetch(model)).arrayBuffer());
  const engine = await startEngine(name, { threads: 1, plain: true, gpu: true });
  await new Promise((resolve) => setTimeout(resolve, TOLD_MS));
  const tasks = [0];
  const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ type: 'longtask' });
  const started = performance.now();
  const session = await engine.create(bytes);
  const results = await session.run(session.feeds(tensors), outputs);
  const total = performance.now() - started;
  await new Promise((resolve) => setTimeout(resolve, TOLD_MS));
  return { total, block: Math.max(...tasks), backend: session.backend, outputs: encode(plainResults(results)) };
}
