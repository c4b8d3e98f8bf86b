// Softmax of each row: a workgroup's LANES invocations share a row. Host text: LANES, LOG, ADDRESS, and of all lanes
// `shared_max(flat, lane, x)` and `shared_sum(flat, lane, x)`.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) flat: u32) {
  let lane = flat % LANES;
  let row = (group.y * p.across + group.x) * (64u / LANES) + flat / LANES;
  let real = row < p.rows;
  let source = row_in(min(row, p.rows - 1u));
  let dest = row_out(min(row, p.rows - 1u));
  var top = in0[source];
  for (var k = lane; k < p.length; k += LANES) { top = max(top, in0[source + along_in(k)]); }
  top = shared_max(flat, lane, top);
  var sum = 0.0;
  for (var k = lane; k < p.length; k += LANES) { sum += exp(in0[source + along_in(k)] - top); }
  sum = shared_sum(flat, lane, sum);
  if (!real) { return; }
  let log_sum = log(sum);
  for (var k = lane; k < p.length; k += LANES) {
    let x = in0[source + along_in(k)] - top;
    if (LOG) { store(dest + along_out(k), x - log_sum); } else { store(dest + along_out(k), exp(x) / sum); }
  }
}
