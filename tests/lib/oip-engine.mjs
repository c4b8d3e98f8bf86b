// A server of the Open Inference Protocol v2 that runs the digit model with the real engine. In: nothing, or a
// handler that may answer first. Out: { url, requests, close }, the digit model under `digits` at /v2.
import { InferenceSession, Tensor } from '../../pkg/index.node.js';
import { digitsPath } from './digits.mjs';
import { OIP_TYPE, readRequest, sendError, sendResponse } from './oip.mjs';
import { serve } from './serve.mjs';

const describe = ({ name, type, shape }) => ({ name, datatype: OIP_TYPE[type], shape: shape.map((dim) => (typeof dim === 'number' ? dim : -1)) });

/** @param {{ name?: string, intercept?: (request: object, response: object) => boolean }} [options] */
export async function serveDigits({ name = 'nearside-test', intercept = () => false } = {}) {
  const session = await InferenceSession.create(digitsPath);
  const server = await serve(async (request, response, body) => {
    if (intercept(request, response)) return;
    if (request.url === '/v2') {
      response.end(JSON.stringify({ name, version: '1', extensions: ['binary_tensor_data'] }));
    } else if (request.url === '/v2/models/digits/versions/1') {
      response.end(JSON.stringify({ name: 'digits', versions: ['1'], platform: name, inputs: session.inputMetadata.map(describe), outputs: session.outputMetadata.map(describe) }));
    } else if (request.url === '/v2/models/digits/versions/1/infer') {
      const { inputs, outputs } = readRequest({ headers: request.headers, body });
      const results = await session.run(Object.fromEntries(inputs.map((input) => [input.name, new Tensor(input.type, input.data, input.dims)])));
      sendResponse(response, outputs.map((output) => ({ ...output, type: results[output.name].type, dims: results[output.name].dims, data: results[output.name].data })));
    } else {
      sendError(response, 404, `there is no ${request.url}`);
    }
  });
  return {
    ...server,
    async close() {
      await server.close();
      await session.release();
    },
  };
}
