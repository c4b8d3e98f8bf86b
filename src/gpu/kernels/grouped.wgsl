// A convolution of any rank up to three and any grouping, depthwise above all: one invocation makes one
// channel of four neighbouring pixels, from weights as they lie.
// Host constants: WX, WY (workgroup).
@compute @workgroup_size(WX, WY, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row_of = id.x / p.columns;
  let ox = (id.x - row_of * p.columns) * 4u;
  let oz = row_of / p.o1;
  let oy = row_of - oz * p.o1;
  if (oz >= p.o0 || id.y >= p.og * p.groups) { return; }
  let g = id.y / p.og;
  let x_base = p.x_o + id.z * p.x_n + g * p.ig * p.x_c;
  let w_base = p.w_o + g * p.w_g + (id.y - g * p.og) * p.w_c;
  let step = p.s2 * p.x_2;
  var sum = vec4<f32>();
  for (var ic = 0u; ic < p.ig; ic++) {
    for (var kz = 0u; kz < p.k0; kz++) {
      let iz = oz * p.s0 + kz * p.d0 - p.b0;
      if (iz >= p.i0) { continue; }
      for (var ky = 0u; ky < p.k1; ky++) {
        let iy = oy * p.s1 + ky * p.d1 - p.b1;
        if (iy >= p.i1) { continue; }
        let row = x_base + ic * p.x_c + iz * p.x_0 + iy * p.x_1;
        let weights = w_base + ic * p.w_i + kz * p.w_0 + ky * p.w_1;
        for (var kx = 0u; kx < p.k2; kx++) {
          let ix = ox * p.s2 + kx * p.d2 - p.b2;
          let at = row + ix * p.x_2;
          let x = vec4<f32>(
            select(0.0, in0[at], ix < p.i2),
            select(0.0, in0[at + step], ix + p.s2 < p.i2),
            select(0.0, in0[at + 2u * step], ix + 2u * p.s2 < p.i2),
            select(0.0, in0[at + 3u * step], ix + 3u * p.s2 < p.i2),
          );
          sum += in1[weights + kx * p.w_2] * x;
        }
      }
    }
  }
  let at = id.z * p.y_n + id.y * p.y_c + oz * p.y_0 + oy * p.y_1 + ox * p.y_2;
  // What is fused to it is here once, not for each pixel.
  for (var c = 0u; c < 4u && ox + c < p.o2; c++) { store(at + c * p.y_2, sum[c]); }
}
