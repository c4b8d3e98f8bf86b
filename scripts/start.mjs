// `npm start`: set-up, build, serve. In: PORT (8787 when unset). Out: the demo, the cloud server and the edge Worker
// on one origin, until Ctrl-C.
// The one decision: what is built is served as it is; a second start with nothing to do takes seconds.
import { main, say, seconds } from './lib/run.mjs';
import { build } from './build.mjs';
import { setup } from './setup.mjs';

function port() {
  const given = process.env.PORT || '8787';
  const number = Number(given);
  if (!Number.isInteger(number) || number < 0 || number > 65535) throw new Error(`PORT is "${given}"; it has to be a number up to 65535`);
  return number;
}

await main(async () => {
  const since = performance.now();
  const wanted = port();
  await setup({ tests: false });
  // Only now: the stack uses npm packages that set-up installs.
  const { portIsFree, start } = await import('./lib/stack.mjs');
  await portIsFree(wanted);
  await build();
  const stack = await start({ port: wanted, log: (line) => say(`  cloud | ${line}`) });
  say(`nearside is up after ${seconds(since)}:  ${stack.url}

  ${stack.url}/        the demo: digits, voice, your own model
  ${stack.cloudUrl}/v2   the native server, nearside serve
  ${stack.edgeUrl}/v2    the Worker, in workerd
  ${stack.url}/models/ the models: ${stack.models}

Ctrl-C stops everything.`);
  await new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      // miniflare's own listener would end the process before the server has finished its requests.
      process.removeAllListeners(signal).once(signal, resolve);
    }
  });
  say('\nstopping …');
  await stack.stop();
  process.exit(0);
});
