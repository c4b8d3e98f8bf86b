// A convolution over two spatial axes, with weights packed four output channels at a time: one invocation
// makes 4 channels x 4 neighbouring pixels in named accumulators, and every weight that it loads serves
// all four pixels. Nothing is shared between invocations, so nothing waits.
// Host constants: WX, WY (workgroup).
fn put(channel: u32, at: u32, ox: u32, v: vec4<f32>) {
  if (channel >= p.og) { return; }
  store(at, v.x);
  if (ox + 1u < p.o2) { store(at + p.y_2, v.y); }
  if (ox + 2u < p.o2) { store(at + 2u * p.y_2, v.z); }
  if (ox + 3u < p.o2) { store(at + 3u * p.y_2, v.w); }
}

@compute @workgroup_size(WX, WY, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let oy = id.x / p.columns;
  let ox = (id.x - oy * p.columns) * 4u;
  if (oy >= p.o1 || id.y >= p.blocks * p.groups) { return; }
  let g = id.y / p.blocks;
  let block = id.y - g * p.blocks;
  let x_base = p.x_o + id.z * p.x_n + g * p.ig * p.x_c;
  var weight = id.y * p.ig * p.k1 * p.k2;
  var c0 = vec4<f32>();
  var c1 = vec4<f32>();
  var c2 = vec4<f32>();
  var c3 = vec4<f32>();
  let iy0 = oy * p.s1 - p.b1;
  let ix0 = ox * p.s2 - p.b2;
  let step = p.s2 * p.x_2;
  for (var ic = 0u; ic < p.ig; ic++) {
    let plane = x_base + ic * p.x_c;
    for (var ky = 0u; ky < p.k1; ky++) {
      let iy = iy0 + ky * p.d1;
      if (iy >= p.i1) {
        weight += p.k2;
        continue;
      }
      let row = plane + iy * p.x_1;
      for (var kx = 0u; kx < p.k2; kx++) {
        let ix = ix0 + kx * p.d2;
        let at = row + ix * p.x_2;
        let x = vec4<f32>(
          select(0.0, in0[at], ix < p.i2),
          select(0.0, in0[at + step], ix + p.s2 < p.i2),
          select(0.0, in0[at + 2u * step], ix + 2u * p.s2 < p.i2),
          select(0.0, in0[at + 3u * step], ix + 3u * p.s2 < p.i2),
        );
        let w = vec4<f32>(in1[weight * 4u], in1[weight * 4u + 1u], in1[weight * 4u + 2u], in1[weight * 4u + 3u]);
        weight += 1u;
        c0 += w.x * x;
        c1 += w.y * x;
        c2 += w.z * x;
        c3 += w.w * x;
      }
    }
  }
  let channel = block * 4u;
  let at = id.z * p.y_n + (g * p.og + channel) * p.y_c + oy * p.y_1 + ox * p.y_2;
  put(channel, at, ox, c0);
  put(channel + 1u, at + p.y_c, ox, c1);
  put(channel + 2u, at + 2u * p.y_c, ox, c2);
  put(channel + 3u, at + 3u * p.y_c, ox, c3);
}
