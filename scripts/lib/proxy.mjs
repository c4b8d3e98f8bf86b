// A reverse proxy for one path prefix. In: a request and the base URL behind it. Out: the answer, streamed both ways;
// 502 with {"error": …} when nothing answers there.
// The one decision: bodies pass through as streams and nothing is retried; that is the client's decision.
import { Agent, request } from 'node:http';

const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];
// Connections that are not used are given up before the tiers give them up: workerd does after five seconds, and a request
// that meets that on its way is lost.
const agent = new Agent({ keepAlive: true, maxSockets: 64, timeout: 3000 });

const without = (headers, names) => Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name)));

/** `base` may be undefined: the tier is not running. */
export function forward(incoming, outgoing, base, path, tier) {
  const fail = (why) => {
    if (outgoing.headersSent) return outgoing.destroy();
    incoming.resume();
    outgoing.writeHead(502, { 'content-type': 'application/json', connection: 'close' });
    outgoing.end(JSON.stringify({ error: `${tier} is not available: ${why}` }));
  };
  if (!base) return fail('it is not running');
  // Joined as text: resolving against the base would let a path of `//host` choose the host.
  const upstream = request(new URL(base + path), {
    agent,
    method: incoming.method,
    headers: { ...without(incoming.headers, [...HOP_BY_HOP, 'host']), 'x-forwarded-host': incoming.headers.host ?? '' },
  });
  upstream.on('response', (answer) => {
    outgoing.writeHead(answer.statusCode, answer.statusMessage, without(answer.headers, HOP_BY_HOP));
    answer.on('error', () => outgoing.destroy()).pipe(outgoing);
  });
  upstream.on('error', (error) => fail(error.code ?? error.message));
  // An aborted request must not keep a model running upstream.
  outgoing.on('close', () => outgoing.writableFinished || upstream.destroy());
  incoming.pipe(upstream);
}
