// The package as it ships in a real Cloudflare Worker runtime, by its `workerd` export. In: the package's files as
// modules, the wasm as a compiled module. Out: verdicts; the Worker fetches the model from a server of the test.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Miniflare } from 'miniflare';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';
import { serve } from '../lib/serve.mjs';

const pkg = fileURLToPath(new URL('../../pkg', import.meta.url));
const WORKER = `import { InferenceSession, reportOf, Tensor } from './index.workerd.js';
let session;
export default { async fetch(request) {
  const { url, data, dims, nearside } = await request.json();
  try {
    session ??= await InferenceSession.create(url, { nearside });
    const results = await session.run({ image: new Tensor('float32', Float32Array.from(data), dims) });
    const { probabilities } = results;
    return Response.json({ data: [...probabilities.data], dims: probabilities.dims, report: reportOf(results), created: session.report });
  } catch (error) {
    return Response.json({ code: error.code, message: error.message, stack: error.stack });
  }
} };`;

/** What a bundler would take for the condition `workerd`. */
async function modules() {
  const { exports } = JSON.parse(await readFile(join(pkg, 'package.json'), 'utf8'));
  assert.equal(exports['.'].workerd, './index.workerd.js');
  const scripts = (await readdir(pkg, { recursive: true })).filter((name) => /^((engine|gpu|platform)[\\/])?[\w.-]+\.js$/.test(name));
  return [
    { type: 'ESModule', path: join(pkg, 'test-worker.js'), contents: WORKER },
    ...scripts.map((name) => ({ type: 'ESModule', path: join(pkg, name) })),
    { type: 'ESModule', path: join(pkg, 'wasm/nearside.js') },
    { type: 'CompiledWasm', path: join(pkg, 'wasm/nearside_full_bg.wasm') },
  ];
}

let runtime, files;
before(async () => {
  const model = await readFile(digitsPath);
  files = await serve((request, response) => response.writeHead(200, { 'Content-Length': model.length }).end(model));
  runtime = new Miniflare({ name: 'package', cf: false, modulesRoot: pkg, modules: await modules(), compatibilityDate: '2026-04-01' });
  await runtime.ready;
});
after(async () => {
  await runtime?.dispose();
  await files?.close();
});

test('workerd: the model is fetched and run in the Worker, with the reference\'s results', async () => {
  for (const example of digits.cases.slice(0, 5)) {
    const body = JSON.stringify({ url: `${files.url}/models/digits/1/model.onnx`, data: [...pixels(example)], dims: digits.shape });
    const answer = await (await runtime.dispatchFetch('http://worker/', { method: 'POST', body })).json();
    assert.equal(answer.code, undefined, answer.stack);
    checkDigit({ type: 'float32', dims: answer.dims, data: Float32Array.from(answer.data) }, example);
    assert.equal(answer.report.source, 'on_device');
    assert.deepEqual(answer.created.engine, { thread: 'inline', trimmed: false, simd: 'simd128', threads: 1 });
  }
  assert.equal(files.requests.length, 1);
});
