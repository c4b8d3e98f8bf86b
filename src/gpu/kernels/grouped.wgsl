// A convolution of any rank up to three and any grouping, depthwise above all: one invocation makes one
// channel of four neighbouring pixels, from weights as they lie.
// Host text: WX, WY (workgroup), `along(row, ix, weights)`, what a row of the window adds to the four.
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
        sum += along(row, ox * p.s2 - p.b2, weights);
      }
    }
  }
  let at = id.z * p.y_n + id.y * p.y_c + oz * p.y_0 + oy * p.y_1 + ox * p.y_2;
  // What is fused to it is here once, not for each pixel.
  for (var c = 0u; c < 4u && ox + c < p.o2; c++) { store(at + c * p.y_2, sum[c]); }
}
