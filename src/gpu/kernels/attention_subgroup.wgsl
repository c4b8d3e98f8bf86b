// The same within a subgroup: the invocations pass their shares to each other, and nobody waits.
fn spread(sums: ptr<function, Sums>, own: u32, x: u32, v: u32, k0: u32, column: u32, p0: vec4<f32>, p1: vec4<f32>, p2: vec4<f32>, p3: vec4<f32>) {
  for (var f = 0u; f < X; f++) {
    let at = own + f;
    add(sums, v, k0 + f * 4u, column, subgroupShuffle(p0, at), subgroupShuffle(p1, at), subgroupShuffle(p2, at),
        subgroupShuffle(p3, at));
  }
}
