/**
 * Ingest: an image into a tensor on the engine's GPU, resized and normalised by one dispatch.
 *
 * In: a `GPUDevice`, an image, the form that the model wants, the buffer of the tensor. Out: the buffer is written. One
 * decision: where the image shrinks, each pixel is the mean of as many samples as it covers, as a canvas of high quality
 * does it.
 * @module
 */
const SHADER = `
struct Form { width: u32, height: u32, taps_x: u32, taps_y: u32, channels: u32, planes: u32, pad0: u32, pad1: u32,
  scale: vec4<f32>, shift: vec4<f32>, order: vec4<u32> }
@group(0) @binding(0) var<uniform> form: Form;
@group(0) @binding(1) var image: texture_2d<f32>;
@group(0) @binding(2) var linear: sampler;
@group(0) @binding(3) var<storage, read_write> elements: array<f32>;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= form.width || id.y >= form.height) { return; }
  let size = vec2<f32>(f32(form.width), f32(form.height));
  let taps = vec2<f32>(f32(form.taps_x), f32(form.taps_y));
  var sum = vec4<f32>(0.0);
  for (var y = 0u; y < form.taps_y; y++) {
    for (var x = 0u; x < form.taps_x; x++) {
      let within = (vec2<f32>(f32(x), f32(y)) + 0.5) / taps;
      sum += textureSampleLevel(image, linear, (vec2<f32>(id.xy) + within) / size, 0.0);
    }
  }
  let pixel = sum / (taps.x * taps.y);
  for (var c = 0u; c < form.channels; c++) {
    let value = pixel[form.order[c]] * form.scale[c] + form.shift[c];
    let at = id.y * form.width + id.x;
    let place = select(at * form.channels + c, c * form.width * form.height + at, form.planes == 1u);
    elements[place] = value;
  }
}`;

/** By device. */
const pipelines = new WeakMap();

function pipelineOf(device) {
  if (!pipelines.has(device)) {
    const module = device.createShaderModule({ label: 'nearside image', code: SHADER });
    pipelines.set(device, device.createComputePipelineAsync({ label: 'nearside image', layout: 'auto', compute: { module, entryPoint: 'main' } }));
  }
  return pipelines.get(device);
}

const four = (list) => [...list, 0, 0, 0].slice(0, 4);

/** @param {any} device of the browser
 * @param {any} source an ImageBitmap or a VideoFrame
 * @param {ReturnType<typeof import('./picture.js').readPicture>} form
 * @param {any} buffer of the tensor */
export async function ingest(device, source, form, buffer) {
  const { width, height, channels, nchw, mean, bias } = form;
  const { GPUTextureUsage: TextureUsage, GPUBufferUsage: BufferUsage } = /** @type {any} */ (globalThis);
  const pipeline = await pipelineOf(device);
  const size = [source.displayWidth ?? source.width, source.displayHeight ?? source.height];
  const texture = device.createTexture({
    size, format: 'rgba8unorm', usage: TextureUsage.TEXTURE_BINDING | TextureUsage.COPY_DST | TextureUsage.RENDER_ATTACHMENT,
  });
  try {
    device.queue.copyExternalImageToTexture({ source }, { texture }, size);
  } catch {
    // Some adapters, software ones above all, take no frames of a video.
    device.queue.copyExternalImageToTexture({ source: await globalThis.createImageBitmap(source) }, { texture }, size);
  }
  const bytes = new ArrayBuffer(80);
  new Uint32Array(bytes, 0, 8).set([width, height, Math.ceil(size[0] / width), Math.ceil(size[1] / height), channels.length, nchw ? 1 : 0, 0, 0]);
  // A sample is from 0 to 1: (255 * sample + bias) / mean.
  new Float32Array(bytes, 32, 8).set([...four(mean.map((one) => 255 / one)), ...four(bias.map((one, c) => one / mean[c]))]);
  new Uint32Array(bytes, 64, 4).set(four(channels));
  const uniform = device.createBuffer({ size: bytes.byteLength, usage: BufferUsage.UNIFORM | BufferUsage.COPY_DST });
  device.queue.writeBuffer(uniform, 0, bytes);
  const entries = [{ buffer: uniform }, texture.createView(), device.createSampler({ magFilter: 'linear', minFilter: 'linear' }), { buffer }];
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: entries.map((resource, binding) => ({ binding, resource })) });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(Math.ceil(width / 8), Math.ceil(height / 8));
  pass.end();
  device.queue.submit([encoder.finish()]);
  texture.destroy();
  uniform.destroy();
}
