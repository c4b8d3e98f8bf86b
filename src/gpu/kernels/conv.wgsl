// A convolution over two spatial axes, with weights packed OC output channels at a time: one invocation makes OC
// channels x 4 neighbouring pixels in named accumulators c0, c1, …. Nothing is shared between invocations, so nothing
// waits. Host text: WX, WY (workgroup), OC, `Sums` with its fields c0, c1, …, `add_row(sums, row, ix, weight)`, which
// adds one row of the window, and `together(sums)`, all of them as an array.
fn pixel(row: u32, ix: u32) -> f32 { return select(0.0, in0[row + ix * p.x_2], ix < p.i2); }

@compute @workgroup_size(WX, WY, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let oy = id.x / p.columns;
  let ox = (id.x - oy * p.columns) * 4u;
  if (oy >= p.o1 || id.y >= p.blocks * p.groups) { return; }
  let g = id.y / p.blocks;
  let block = id.y - g * p.blocks;
  let x_base = p.x_o + id.z * p.x_n + g * p.ig * p.x_c;
  let taps = p.k2 * (OC / 4u);
  var weight = id.y * p.ig * p.k1 * taps;
  let iy0 = oy * p.s1 - p.b1;
  let ix0 = ox * p.s2 - p.b2;
  var sums = Sums();
  for (var ic = 0u; ic < p.ig; ic++) {
    let plane = x_base + ic * p.x_c;
    for (var ky = 0u; ky < p.k1; ky++) {
      let iy = iy0 + ky * p.d1;
      if (iy < p.i1) { add_row(&sums, plane + iy * p.x_1, ix0, weight); }
      weight += taps;
    }
  }
  let channel = block * OC;
  let at = id.z * p.y_n + (g * p.og + channel) * p.y_c + oy * p.y_1 + ox * p.y_2;
  // What is fused to it is a text of its own length: it is here once, not for each element.
  var all = together(&sums);
  for (var c = 0u; c < OC && channel + c < p.og; c++) {
    for (var k = 0u; k < 4u && ox + k < p.o2; k++) { store(at + c * p.y_c + k * p.y_2, all[c][k]); }
  }
}
