// The whole product on one origin, for `npm start` and for the tests. In: what the build left. Out: `start()` gives
// { url, cloudUrl, edgeUrl, stop }: pages at `/`, the package at `/pkg/`, models at `/models/`, the native server
// behind `/cloud/` and the Worker behind `/edge/`.
// The one decision: every tier listens on a port of its own that the system chooses, and only the origin is fixed,
// so that any number of stacks run side by side.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { POLICY, precacheList } from '../../www/precache.mjs';
import { startEdge } from './edge.mjs';
import { assembleModels } from './models.mjs';
import { childEnv, nativeBinary, root } from './paths.mjs';
import { forward } from './proxy.mjs';
import { watch } from './run.mjs';

const LISTENING = /listening on (http:\/\/\S+)/;
const LISTENS_WITHIN = 60_000;
/** Requests in flight are answered first, for as long as the server's own `--drain` lets them. */
const STOP_WITHIN = 30_000;

/** Resolves with the address once the server prints it. */
export async function startCloud({ models, args = [], env = {}, log = () => {} }) {
  if (!existsSync(nativeBinary)) throw new Error('the native binary is missing: npm run build');
  const child = spawn(nativeBinary, ['serve', '--models', models, '--port', '0', ...args],
    { env: childEnv({ NO_COLOR: '1', ...env }), stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  watch(child, 'SIGKILL');
  const exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ?? code)));
  const said = [];
  let overdue;
  const url = await new Promise((resolve, reject) => {
    overdue = setTimeout(() => reject(new Error(`nearside serve does not listen after ${LISTENS_WITHIN / 1000} s:\n${said.join('\n')}`)), LISTENS_WITHIN);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log(line);
        if (said.length < 50) said.push(line);
        const found = line.match(LISTENING);
        if (found) resolve(found[1].replace(/\/$/, ''));
      });
    }
    child.on('error', reject);
    exited.then((why) => reject(new Error(`nearside serve ended (${why}) before it listened:\n${said.join('\n')}`)));
  }).catch((error) => {
    kill();
    throw error;
  }).finally(() => clearTimeout(overdue));
  return {
    url,
    exited,
    signal: (name) => child.kill(name),
    async stop() {
      child.kill('SIGTERM');
      const late = setTimeout(kill, STOP_WITHIN);
      await exited;
      clearTimeout(late);
    },
  };
}

async function staticFiles(models) {
  const { default: sirv } = await import('sirv');
  const options = { dev: true, etag: true, extensions: ['html'] };
  const mounts = [
    ['/pkg/', sirv(join(root, 'pkg'), options)],
    ['/models/', sirv(models, options)],
    ['/', sirv(join(root, 'www'), options)],
  ];
  return (request, response) => {
    response.setHeader('content-security-policy', POLICY);
    response.setHeader('x-content-type-options', 'nosniff');
    if (!['GET', 'HEAD'].includes(request.method)) return response.writeHead(405, { allow: 'GET, HEAD' }).end();
    const path = request.url.split('?')[0];
    // What the demo's service worker stores, as of now: a file that was edited is a new version at the next visit.
    if (path === '/precache.json') return sendPrecache(response);
    if (path.endsWith('.onnx')) response.setHeader('content-type', 'application/octet-stream');
    const [prefix, serve] = mounts.find(([start]) => path.startsWith(start));
    request.url = request.url.slice(prefix.length - 1);
    serve(request, response);
  };
}

async function sendPrecache(response) {
  try {
    const body = JSON.stringify(await precacheList());
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body);
  } catch (error) {
    response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error));
  }
}

/** Throws when the port is taken; before a long build rather than after it. */
export async function portIsFree(port) {
  const server = createServer();
  await listen(server, port);
  await new Promise((resolve) => server.close(resolve));
}

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(error.code === 'EADDRINUSE'
      ? new Error(`port ${port} is in use; choose another with PORT, as in: PORT=${port + 1} npm start`) : error));
    server.listen(port, '127.0.0.1', () => resolve(server.address().port));
  });
}

/** `edge` and `cloud` may be false: that tier then answers 502. `cloud` options go to startCloud. */
export async function start({ port = 0, models = assembleModels(), cloud = {}, edge = {}, log = () => {} } = {}) {
  const running = [];
  const stop = async () => {
    for (const tier of running.splice(0).reverse()) await tier.stop();
  };
  try {
    const files = await staticFiles(models);
    const bases = {};
    const server = createServer((request, response) => {
      const [, tier, rest] = request.url.match(/^\/(cloud|edge)(\/.*|\?.*|$)/) ?? [];
      if (tier) forward(request, response, bases[tier], rest.startsWith('/') ? rest : `/${rest}`, tier);
      else files(request, response);
    });
    const url = `http://127.0.0.1:${await listen(server, port)}`;
    running.push({
      stop: () => new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
    });
    if (cloud) {
      const native = await startCloud({ models, ...cloud, log });
      running.push(native);
      bases.cloud = native.url;
      native.exited.then(() => { bases.cloud = undefined; });
    }
    if (edge) {
      const worker = await startEdge({ models, cloudUrl: bases.cloud, ...edge });
      running.push(worker);
      bases.edge = worker.url;
    }
    return { url, cloudUrl: `${url}/cloud`, edgeUrl: `${url}/edge`, models, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
