// Rows to one element each. Host constants: T (element), R (what is carried), LANES (invocations a row),
// `start()`, `take(sum, element)`, `shared_by(flat, lane, sum)`, of all lanes, `finish(sum)`, ADDRESS.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) flat: u32) {
  let lane = flat % LANES;
  let row = (group.y * p.across + group.x) * (64u / LANES) + flat / LANES;
  var sum = start();
  if (row < p.rows) {
    let base = row_in(row);
    for (var k = lane; k < p.length; k += LANES) { sum = take(sum, in0[base + along_in(k)]); }
  }
  sum = shared_by(flat, lane, sum);
  if (row < p.rows && lane == 0u) { store(row, finish(sum)); }
}
