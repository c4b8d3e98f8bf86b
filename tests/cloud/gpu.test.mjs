// The build has the GPU engine: `--device gpu` of the command line and of the server. In: the digit model. Out: the
// reference's numbers, computed on an adapter; skipped where this machine has none.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { InferenceSession, Tensor } from 'nearside';
import { assembleModels } from '../../scripts/lib/models.mjs';
import { startCloud } from '../../scripts/lib/stack.mjs';
import { nearside } from '../cli/nearside.mjs';
import { checkDigit, digits, digitsPath, pixels } from '../lib/digits.mjs';

const [one] = digits.cases;
const GPU = ['--device', 'gpu', '--strict'];
const probe = nearside(['run', digitsPath, '--input', `image=${JSON.stringify([...pixels(one)])}`, '--json', ...GPU]);
const none = /GPU_UNAVAILABLE/.test(probe.stderr) && 'this machine has no adapter';

describe('the native GPU engine', { skip: none }, () => {
  let cloud;
  before(async () => {
    if (!none) cloud = await startCloud({ models: assembleModels(), args: GPU });
  });
  after(() => cloud?.stop());

  test('nearside run', () => {
    assert.equal(probe.code, 0, probe.stderr);
    const answer = JSON.parse(probe.stdout);
    const { type, shape: dims, data } = answer.outputs.find(({ name }) => name === 'probabilities');
    checkDigit({ type, dims, data }, one);
  });

  test('nearside serve', async () => {
    const session = await InferenceSession.create(`${cloud.url}/models/digits/1/model.onnx`, {
      nearside: { mode: 'only_in_cloud', cloud: cloud.url },
    });
    const { probabilities } = await session.run({ image: new Tensor('float32', pixels(one), digits.shape) });
    checkDigit(probabilities, one);
  });
});
