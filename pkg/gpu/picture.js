/**
 * Picture: an image that becomes a tensor where the model runs: on the GPU by a shader, elsewhere by a canvas.
 *
 * In: an ImageBitmap, a VideoFrame, a canvas, ImageData, an image or a video element, and how the model wants it. Out:
 * what stands behind a tensor of `Tensor.fromImage`. One decision: nothing is drawn before a run asks for it, so that
 * pixels that are on the GPU need not leave it.
 * @module
 */
import { NearsideError } from '../errors.js';

const bad = (message) => { throw new NearsideError('INVALID_INPUT', message); };

/** Which channels of red, green, blue and alpha, in the tensor's order. */
const FORMATS = { RGB: [0, 1, 2], BGR: [2, 1, 0], RGBA: [0, 1, 2, 3], R: [0] };
const LAYOUTS = ['NCHW', 'NHWC'];

/** What crosses to a worker; other sources become an ImageBitmap first. */
const crosses = (source) => ['ImageBitmap', 'VideoFrame'].some((name) => globalThis[name] !== undefined && source instanceof globalThis[name]);

const sizeOf = (source) => ({
  width: source.displayWidth ?? source.videoWidth ?? source.naturalWidth ?? source.width,
  height: source.displayHeight ?? source.videoHeight ?? source.naturalHeight ?? source.height,
});

/** One number for all channels, or one each. */
function perChannel(name, value, count) {
  const list = Array.isArray(value) ? value : Array(count).fill(value);
  if (list.length < count || list.some((one) => typeof one !== 'number' || !Number.isFinite(one))) bad(`'norm.${name}' must be a number, or one for each of ${count} channels.`);
  return list.slice(0, count);
}

/**
 * The options of onnxruntime-web: `value = (pixel + bias) / mean`, of pixels from 0 to 255.
 * @returns {{ width: number, height: number, channels: number[], nchw: boolean, mean: number[], bias: number[], dims: number[] }}
 */
export function readPicture(source, options = {}) {
  const own = sizeOf(source ?? {});
  if (!(own.width > 0 && own.height > 0)) bad('The image must be an ImageBitmap, a VideoFrame, a canvas, ImageData, or an image or video that is loaded.');
  const { resizedWidth: width = own.width, resizedHeight: height = own.height, tensorFormat = 'RGB', tensorLayout = 'NCHW', norm = {} } = options;
  for (const [name, value] of Object.entries({ resizedWidth: width, resizedHeight: height })) {
    if (!Number.isSafeInteger(value) || value <= 0) bad(`'${name}' must be a whole number above 0.`);
  }
  if (!Object.hasOwn(FORMATS, tensorFormat)) bad(`Unknown 'tensorFormat' '${String(tensorFormat)}'; there are ${Object.keys(FORMATS).join(', ')}.`);
  if (!LAYOUTS.includes(tensorLayout)) bad(`Unknown 'tensorLayout' '${String(tensorLayout)}'; there are ${LAYOUTS.join(', ')}.`);
  const channels = FORMATS[tensorFormat];
  const nchw = tensorLayout === 'NCHW';
  const mean = perChannel('mean', norm.mean ?? 255, channels.length);
  const bias = perChannel('bias', norm.bias ?? 0, channels.length);
  if (mean.includes(0)) bad("'norm.mean' must not be 0.");
  const dims = nchw ? [1, channels.length, height, width] : [1, height, width, channels.length];
  return { width, height, channels, nchw, mean, bias, dims };
}

/** What stands behind a tensor that is an image yet. */
export class Picture {
  #source;
  #form;

  constructor(source, form) {
    this.#source = source;
    this.#form = form;
  }

  /** For an engine with a GPU: what it needs for the conversion. */
  async sent() {
    const source = crosses(this.#source) ? this.#source : await globalThis.createImageBitmap(this.#source);
    return { source, form: this.#form };
  }

  /** The elements, by a canvas. */
  async data() {
    const { width, height, channels, nchw, mean, bias } = this.#form;
    if (typeof OffscreenCanvas !== 'function') bad('this host has no canvas to read an image with');
    const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
    const drawn = globalThis.ImageData !== undefined && this.#source instanceof ImageData ? await globalThis.createImageBitmap(this.#source) : this.#source;
    context.imageSmoothingQuality = 'high';
    context.drawImage(drawn, 0, 0, width, height);
    const { data: pixels } = context.getImageData(0, 0, width, height);
    const data = new Float32Array(width * height * channels.length);
    for (let at = 0; at < width * height; at += 1) {
      channels.forEach((channel, c) => {
        data[nchw ? c * width * height + at : at * channels.length + c] = (pixels[at * 4 + channel] + bias[c]) / mean[c];
      });
    }
    return data;
  }

  get buffer() {
    return bad('An image has no GPU buffer before a run.');
  }

  dispose() {}
}
