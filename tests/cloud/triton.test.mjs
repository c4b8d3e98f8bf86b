// The unmodified tritonclient of PyPI lists, describes and infers.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { python } from '../../scripts/lib/paths.mjs';
import { startCloud } from '../../scripts/lib/stack.mjs';
import { servedModels } from '../lib/served-models.mjs';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));

test('tritonclient[http] lists, describes and infers, JSON and binary', async () => {
  const models = servedModels();
  const cloud = await startCloud({ models: models.folder });
  try {
    const program = join(python, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
    const args = [path('triton_client.py'), new URL(cloud.url).host, path('../cases/digits.json')];
    const { stdout } = await promisify(execFile)(program, args, { timeout: 120_000 });
    const seen = JSON.parse(stdout);
    assert.deepEqual([seen.live, seen.ready, seen.model_ready], [true, true, [true, true, false]]);
    assert.equal(seen.server.name, 'nearside');
    assert.deepEqual(seen.metadata.inputs, [{ name: 'image', datatype: 'FP32', shape: [-1, 1, 8, 8] }]);
    assert.ok(seen.index.some(({ name, version, state }) => name === 'digits' && version === '1' && state === 'READY'));
    assert.deepEqual([seen.id, seen.source, seen.echoes], ['seven', 'in_cloud', 12]);
    assert.deepEqual(Object.values(seen.refused).map(([status]) => status), ['404', '400', '400']);
    assert.match(seen.refused.shape[1], /image.*\[batch, 1, 8, 8\]/);
  } finally {
    await cloud.stop();
    models.remove();
  }
});
