/**
 * Remote: a model on a server that speaks the Open Inference Protocol v2: nearside's edge and cloud, Triton,
 * KServe, OpenVINO Model Server.
 *
 * In: an address, a model's name, tensors. Out: its signature, tensors, or a typed error with the server's words.
 * One decision: binary tensors only when the server lists the extension; a request is sent again only when it
 * cannot have been answered (no connection, 502, 503, 504).
 * @module
 */
import { leave } from './download.js';
import { NearsideError } from './errors.js';
import { decodeResponse, encodeRequest, LENGTH_HEADER, valueInfo } from './protocol.js';
import { limited, sleep } from './signals.js';
import { fetched } from './tensor.js';

const RETRIES = 2;
const BACKOFF_MS = 200;
const RETRY_STATUS = new Set([502, 503, 504]);

/** nearside's edge says so when it handed a request on to its cloud: the code of its reason. */
const FORWARDED_HEADER = 'x-nearside-forwarded-because';

/** What a status means; the rest is REMOTE_ERROR. */
const CODE_OF_STATUS = { 404: 'MODEL_NOT_FOUND', 413: 'TOO_LARGE', 502: 'UNAVAILABLE', 503: 'UNAVAILABLE', 504: 'TIMEOUT', 507: 'OUT_OF_MEMORY' };

/**
 * The name and version in a model's address: `…/<name>/<version>/model.onnx`, `…/<name>/model.onnx`, `…/<name>.onnx`; or `.nearside`, `.tflite`.
 * @returns {{ name: string, version?: string } | undefined}
 */
export function modelOfUrl(url) {
  const path = url.split(/[?#]/)[0].replaceAll('\\', '/').split('/').filter(Boolean).map(decode);
  const file = path.at(-1) ?? '';
  if (!/^model\.(nearside|onnx|tflite)$/i.test(file)) {
    const name = file.replace(/\.(nearside|onnx|ort|tflite)$/i, '');
    return name && name !== file ? { name } : undefined;
  }
  const [name, version] = path.slice(-3, -1);
  if (version !== undefined && /^\d+$/.test(version)) return { name, version };
  const folder = path.at(-2);
  return folder ? { name: folder } : undefined;
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export class RemoteModel {
  #base;
  #path;
  #headers;
  #timeout;
  #binary = false;
  /** What runs the model there, in the server's words. */
  backend = 'oip-v2';

  /**
   * @param {{ url: string, headers: Record<string, string> }} remote
   * @param {{ name: string, version?: string }} model
   * @param {number} timeout milliseconds for one answer
   */
  constructor(remote, model, timeout) {
    this.#base = remote.url;
    this.#headers = remote.headers;
    this.#timeout = timeout;
    const version = model.version === undefined ? '' : `/versions/${encodeURIComponent(model.version)}`;
    this.#path = `/v2/models/${encodeURIComponent(model.name)}${version}`;
  }

  /** Asks what the server can do and what the model takes. */
  async open(signal) {
    const started = performance.now();
    const [{ value: server }, { value: model, forwarded }] = await Promise.all([
      this.#json('/v2', signal).catch(tolerant),
      this.#json(this.#path, signal),
    ]);
    if (!Array.isArray(model.inputs) || !Array.isArray(model.outputs)) {
      throw new NearsideError('REMOTE_ERROR', `${this.#base}${this.#path}: the answer is not a model's metadata`);
    }
    this.#binary = server?.extensions?.includes('binary_tensor_data') ?? false;
    this.backend = model.platform || server?.name || this.backend;
    const signature = { inputs: model.inputs.map(valueInfo), outputs: model.outputs.map(valueInfo) };
    return { signature, forwarded, bytesFetched: 0, times: { metadata: performance.now() - started } };
  }

  /** Whether the model answers requests now. */
  async ready(signal) {
    const response = await this.#send(`${this.#path}/ready`, { method: 'GET' }, signal);
    await leave(response);
    return response.ok;
  }

  /**
   * One inference.
   * @param {{ name: string, type: string, dims: number[], data?: any, gpu?: object }[]} feeds
   * @param {string[]} outputs
   */
  async infer(feeds, outputs, signal) {
    const tensors = await Promise.all(feeds.map(fetched));
    const odd = tensors.find(({ dims }) => !dims);
    if (odd) throw new NearsideError('UNSUPPORTED_TYPE', `input '${odd.name}' is no tensor: the protocol carries only those`);
    const { body, headers } = encodeRequest(tensors, outputs, this.#binary);
    const started = performance.now();
    return this.#limited(signal, `POST ${this.#base}${this.#path}/infer`, async (inner) => {
      const response = await this.#request(`${this.#path}/infer`, { method: 'POST', body, headers }, inner);
      await this.#check(response);
      const answer = await response.arrayBuffer();
      const decoded = decodeResponse(answer, response.headers.get(LENGTH_HEADER), response.headers.get('Content-Type'));
      return {
        outputs: decoded.outputs,
        forwarded: response.headers.get(FORWARDED_HEADER) ?? undefined,
        bytesSent: body.byteLength,
        bytesFetched: answer.byteLength,
        times: { request: performance.now() - started },
      };
    });
  }

  async close() {}

  async #json(path, signal) {
    return this.#limited(signal, `GET ${this.#base}${path}`, async (inner) => {
      const response = await this.#request(path, { method: 'GET' }, inner);
      await this.#check(response);
      try {
        return { value: await response.json(), forwarded: response.headers.get(FORWARDED_HEADER) ?? undefined };
      } catch (error) {
        // A connection that broke says nothing of the answer.
        if (!(error instanceof SyntaxError)) throw error;
        throw new NearsideError('REMOTE_ERROR', `GET ${this.#base}${path}: the answer is not JSON`, { status: response.status }, error);
      }
    });
  }

  #send(path, init, signal) {
    return this.#limited(signal, `${init.method} ${this.#base}${path}`, (inner) => this.#request(path, init, inner));
  }

  async #limited(signal, what, work) {
    try {
      return await limited({ signal, ms: this.#timeout, what }, work);
    } catch (error) {
      if (error instanceof NearsideError) throw error;
      throw new NearsideError('UNAVAILABLE', `${what}: ${error?.cause?.message ?? error?.message ?? error}`, undefined, error);
    }
  }

  /** One request with its repetitions; resolves with the last answer, whatever its status. */
  async #request(path, init, signal) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const response = await fetch(`${this.#base}${path}`, { ...init, headers: { ...this.#headers, ...init.headers }, signal });
        if (!RETRY_STATUS.has(response.status) || attempt === RETRIES) return response;
        await leave(response);
      } catch (error) {
        if (signal.aborted || attempt === RETRIES) throw error;
      }
      await sleep(BACKOFF_MS * 4 ** attempt, signal);
    }
  }

  async #check(response) {
    if (response.ok) return;
    const text = await response.text().catch(() => '');
    let said = text.slice(0, 300);
    try {
      said = JSON.parse(text).error ?? said;
    } catch {
      // Not every server, and no proxy, answers in the protocol's form: its text is then the best there is.
    }
    const code = CODE_OF_STATUS[response.status] ?? 'REMOTE_ERROR';
    throw new NearsideError(code, `${said || 'no reason given'} (HTTP ${response.status} from ${this.#base}${this.#path})`,
      { status: response.status, error: String(said) });
  }
}

/** `GET /v2` only tells extensions: a server without it is asked in JSON. The model's own answer decides the rest. */
function tolerant(error) {
  if (['ABORTED', 'TIMEOUT'].includes(error.code)) throw error;
  return {};
}
