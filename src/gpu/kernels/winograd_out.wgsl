// Products of tiles back to an image: 16 elements, each of a matrix of its own, [output channel, tile], make 2 x 2
// pixels. One invocation makes a tile.
fn products(at: u32) -> vec4<f32> {
  return vec4<f32>(in0[at], in0[at + p.block], in0[at + 2u * p.block], in0[at + 3u * p.block]);
}
fn across(v: vec4<f32>) -> vec2<f32> { return vec2<f32>(v.x + v.y + v.z, v.y - v.z - v.w); }
fn run(i: u32) {
  let c = i / p.tiles;
  let t = i - c * p.tiles;
  if (t >= p.real) { return; }
  let line = t / p.wide;
  let n = line / p.down;
  let y = (line - n * p.down) * 2u;
  let x = (t - line * p.wide) * 2u;
  let m0 = products(i);
  let m1 = products(i + 4u * p.block);
  let m2 = products(i + 8u * p.block);
  let m3 = products(i + 12u * p.block);
  let top = across(m0 + m1 + m2);
  let low = across(m1 - m2 - m3);
  let at = n * p.y_n + c * p.y_c + y * p.y_1 + x * p.y_2;
  var made = array<f32, 4>(top.x, top.y, low.x, low.y);
  for (var e = 0u; e < 4u; e++) {
    let down = e >> 1u;
    let right = e & 1u;
    if (y + down < p.o1 && x + right < p.o2) { store(at + down * p.y_1 + right * p.y_2, made[e]); }
  }
}
