// One row times a matrix: an invocation makes COLUMNS neighbours of it, SLICES invocations sharing their sums.
// What lies side by side in memory runs over neighbouring invocations.
// Host text: T, S (what an invocation sums up), LANES, SLICES, COLUMNS, BY_K, `steps()`, `term(a, b, k)` of one step, and
// `shared_sum(flat, slice, x)` of all slices.
@compute @workgroup_size(LANES * SLICES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) flat: u32) {
  let outer = group.z / p.inner_batch;
  let inner = group.z - outer * p.inner_batch;
  let lane = select(flat % LANES, flat / SLICES, BY_K);
  let slice = select(flat / LANES, flat % SLICES, BY_K);
  let n = (group.x * LANES + lane) * COLUMNS;
  var sum = S();
  if (n < p.n) {
    let a = p.a_o + outer * p.a_b0 + inner * p.a_b1;
    let b = p.b_o + outer * p.b_b0 + inner * p.b_b1 + n * p.b_n;
    for (var k = slice; k < steps(); k += SLICES) { sum += term(a, b, k); }
  }
  sum = shared_sum(lane * SLICES + slice, slice, sum);
  if (slice == 0u) {
    var all = parts_of(sum);
    for (var c = 0u; c < COLUMNS && n + c < p.n; c++) { store(group.z * p.n + n + c, all[c]); }
  }
}
