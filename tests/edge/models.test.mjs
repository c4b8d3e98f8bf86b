// Every shared model that fits, on the Worker in real workerd, asked by the package over the wire.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { after, before } from 'node:test';
import { InferenceSession, Tensor, reportOf } from 'nearside';
import { startEdge } from '../../scripts/lib/edge.mjs';
import { defineModelTests, modelFile, overSession, servableModels } from '../lib/model-cases.mjs';

/** What the Worker takes by itself; larger models go to the cloud, which this test leaves out. */
const LIMIT = 16 * 2 ** 20;
let edge;
let models;

before(async () => {
  models = servableModels();
  edge = await startEdge({ models: models.folder, bindings: { EDGE_MAX_MODEL_BYTES: String(LIMIT) } });
});

after(async () => {
  await edge?.stop();
  models?.remove();
});

defineModelTests('edge', async ({ model }) => {
  const session = await InferenceSession.create(`${edge.url}/models/${model}/1/model.onnx`, {
    nearside: { mode: 'only_in_cloud', edge: edge.url },
  });
  const engine = overSession(session, Tensor);
  return {
    ...engine,
    async run(feeds) {
      const results = await engine.run(feeds);
      assert.equal(reportOf(results).source, 'in_edge');
      return results;
    },
  };
}, { skip: (row) => (statSync(modelFile(row)).size > LIMIT ? `over the Worker's limit of ${LIMIT} bytes` : undefined) });
