// How the shares of a tile come to the invocations of `attention.wgsl` that have the same rows: through workgroup memory.
var<workgroup> shares: array<vec4<f32>, 256>;

fn spread(sums: ptr<function, Sums>, own: u32, x: u32, v: u32, k0: u32, column: u32, p0: vec4<f32>, p1: vec4<f32>, p2: vec4<f32>, p3: vec4<f32>) {
  // Nobody reads the last tile's shares any more.
  workgroupBarrier();
  let at = own * 4u + x;
  shares[at] = p0;
  shares[at + 8u] = p1;
  shares[at + 16u] = p2;
  shares[at + 24u] = p3;
  workgroupBarrier();
  let fours = min(8u, (p.keys - k0 + 3u) / 4u);
  for (var f = 0u; f < fours; f++) {
    let first = own * 4u + f;
    add(sums, v, k0 + f * 4u, column, shares[first], shares[first + 8u], shares[first + 16u], shares[first + 24u]);
  }
}
