// Softmax of each row: a workgroup's LANES invocations share a row. Host constants: LANES, LOG, ADDRESS.
var<workgroup> parts: array<f32, 64>;

fn shared_max(flat: u32, lane: u32, value: f32) -> f32 {
  if (LANES == 1u) { return value; }
  workgroupBarrier();
  parts[flat] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) { parts[flat] = max(parts[flat], parts[flat + half]); }
    workgroupBarrier();
  }
  return parts[flat - lane];
}

fn shared_sum(flat: u32, lane: u32, value: f32) -> f32 {
  if (LANES == 1u) { return value; }
  workgroupBarrier();
  parts[flat] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) { parts[flat] += parts[flat + half]; }
    workgroupBarrier();
  }
  return parts[flat - lane];
}

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
