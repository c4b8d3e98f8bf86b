// A small HTTP server for tests. In: a handler (request, response, body). Out: { url, requests, close }.
// The one decision: the port is the system's choice, and closing cuts open connections, so that a test always ends.
import { createServer } from 'node:http';

export async function serve(handler) {
  const requests = [];
  const server = createServer(async (request, response) => {
    try {
      const parts = [];
      for await (const part of request) parts.push(part);
      const body = Buffer.concat(parts);
      requests.push({ method: request.method, url: request.url, headers: request.headers, body });
      await handler(request, response, body);
    } catch (error) {
      if (!response.destroyed) response.writeHead(500).end(error.stack);
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A test that fails before it closes its server must not keep the process.
  server.unref();
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    requests,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}
