// C = A x B where four neighbours along k (and along n, or along k again) are one load: an invocation makes ROWS x
// COLUMNS elements in named accumulators. Nothing is shared between invocations, so nothing waits.
// Host text: T, T4, WX, WY (workgroup), ROWS, COLUMNS, `Sums`, `add_all(sums, a, b, m, n)`, which goes along k, and
// `together(sums)`, all of them row by row as an array.
@compute @workgroup_size(WX, WY, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let n = id.x * COLUMNS;
  let m = id.y * ROWS;
  if (n >= p.n || m >= p.m) { return; }
  let outer = id.z / p.inner_batch;
  let inner = id.z - outer * p.inner_batch;
  let a_base = p.a_o + outer * p.a_b0 + inner * p.a_b1;
  let b_base = p.b_o + outer * p.b_b0 + inner * p.b_b1;
  var sums = Sums();
  add_all(&sums, a_base, b_base, m, n);
  let at = id.z * p.m * p.n + m * p.c_m + n * p.c_n;
  // What is fused to the product is a text of its own length: it is here once, not for each element.
  var all = together(&sums);
  for (var r = 0u; r < ROWS && m + r < p.m; r++) {
    for (var c = 0u; c < COLUMNS && n + c < p.n; c++) {
      store(at + r * p.c_m + c * p.c_n, all[r * (COLUMNS / 4u) + c / 4u][c % 4u]);
    }
  }
}
