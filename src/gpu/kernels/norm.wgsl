// Rows normalised, scaled and shifted: a workgroup's LANES invocations share a row.
// in0: rows, dense; in1: a scale a column; in2: a shift a column.
// Host text: LANES, CENTRED (whether the mean is taken off), SCALED, SHIFTED, `shared_sum(flat, lane, x)` of all lanes.

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) flat: u32) {
  let lane = flat % LANES;
  let row = (group.y * p.across + group.x) * (64u / LANES) + flat / LANES;
  let base = min(row, p.rows - 1u) * p.length;
  var mean = 0.0;
  if (CENTRED) {
    for (var k = lane; k < p.length; k += LANES) { mean += in0[base + k]; }
    mean = shared_sum(flat, lane, mean) / f32(p.length);
  }
  var squares = 0.0;
  for (var k = lane; k < p.length; k += LANES) {
    let x = in0[base + k] - mean;
    squares += x * x;
  }
  let inverse = inverseSqrt(shared_sum(flat, lane, squares) / f32(p.length) + p.epsilon);
  if (row >= p.rows) { return; }
  for (var k = lane; k < p.length; k += LANES) {
    var y = (in0[base + k] - mean) * inverse;
    if (SCALED) { y *= in1[k]; }
    if (SHIFTED) { y += in2[k]; }
    store(base + k, y);
  }
}
