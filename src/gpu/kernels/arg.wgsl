// Where the largest element of each row lies; one invocation a row. Host constants: T, `better(a, b)`.
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let row = id.y * p.across * 64u + id.x;
  if (row >= p.rows) { return; }
  let base = row_in(row);
  var best = in0[base + along_in(0u)];
  var at = 0u;
  for (var k = 1u; k < p.length; k++) {
    let value = in0[base + along_in(k)];
    if (better(value, best)) {
      best = value;
      at = k;
    }
  }
  store(row, I(at));
}
