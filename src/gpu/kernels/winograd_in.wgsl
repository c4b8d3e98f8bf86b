// Tiles of an image for a product in place of a 3x3 window (Winograd's F(2x2, 3x3); Lavin and Gray): each patch of 4 x 4
// pixels, two apart, as 16 elements, each in a matrix of its own, [input channel, tile]. One invocation makes a patch.
fn pixel(at: u32, y: u32, x: u32) -> f32 { return select(0.0, in0[at + y * p.x_1 + x * p.x_2], y < p.i1 && x < p.i2); }
fn patch_row(at: u32, y: u32, x: u32) -> vec4<f32> {
  return vec4<f32>(pixel(at, y, x), pixel(at, y, x + 1u), pixel(at, y, x + 2u), pixel(at, y, x + 3u));
}
fn across(v: vec4<f32>) -> vec4<f32> { return vec4<f32>(v.x - v.z, v.y + v.z, v.z - v.y, v.y - v.w); }
fn put(i: u32, first: u32, v: vec4<f32>) {
  let at = i + first * p.block;
  store(at, v.x);
  store(at + p.block, v.y);
  store(at + 2u * p.block, v.z);
  store(at + 3u * p.block, v.w);
}
fn run(i: u32) {
  let c = i / p.tiles;
  let t = min(i - c * p.tiles, p.real - 1u);
  let line = t / p.wide;
  let n = line / p.down;
  let y = (line - n * p.down) * 2u - p.b1;
  let x = (t - line * p.wide) * 2u - p.b2;
  let at = p.x_o + n * p.x_n + c * p.x_c;
  let d0 = patch_row(at, y, x);
  let d1 = patch_row(at, y + 1u, x);
  let d2 = patch_row(at, y + 2u, x);
  let d3 = patch_row(at, y + 3u, x);
  put(i, 0u, across(d0 - d2));
  put(i, 4u, across(d1 + d2));
  put(i, 8u, across(d2 - d1));
  put(i, 12u, across(d1 - d3));
}
