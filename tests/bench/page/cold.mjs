// A first visit: from nothing to a result. In: an engine's name, a model's address, its inputs. Out: milliseconds of
// the parts. What the clock must not count, the inputs and this script, is there before it starts.
import { startEngine, plainResults } from './engines.mjs';
import { decode, encode } from './wire.mjs';

export async function coldStart({ engine: name, model, feeds, outputs }) {
  const tensors = decode(feeds);
  const started = performance.now();
  const engine = await startEngine(name, { threads: 1, plain: true });
  const session = await engine.create(new URL(model, location).href);
  const created = performance.now();
  const results = await session.run(session.feeds(tensors), outputs);
  const ended = performance.now();
  return { create: created - started, first: ended - created, total: ended - started, outputs: encode(plainResults(results)) };
}
