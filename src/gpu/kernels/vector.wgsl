// One row times a matrix. A workgroup makes LANES elements, SLICES invocations sharing the sum of each.
// The axis of B whose neighbours lie side by side in memory runs over neighbouring invocations.
// Host text: T, B_BY_K, `shared_sum(flat, slice, x)` of all slices.
const LANES = 16u;
const SLICES = 16u;

@compute @workgroup_size(16, 16, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let outer = group.z / p.inner_batch;
  let inner = group.z - outer * p.inner_batch;
  let lane = select(local.x, local.y, B_BY_K);
  let slice = select(local.y, local.x, B_BY_K);
  let n = group.x * LANES + lane;
  var sum = T();
  if (n < p.n) {
    var a = p.a_o + outer * p.a_b0 + inner * p.a_b1 + slice * p.a_k;
    var b = p.b_o + outer * p.b_b0 + inner * p.b_b1 + n * p.b_n + slice * p.b_k;
    for (var k = slice; k < p.k; k += SLICES) {
      sum += in0[a] * in1[b];
      a += SLICES * p.a_k;
      b += SLICES * p.b_k;
    }
  }
  sum = shared_sum(lane * SLICES + slice, slice, sum);
  if (slice == 0u && n < p.n) { store(group.z * p.n + n, sum); }
}
