// C = A x B where four neighbours along k (and along n, or along k again) are one load: an invocation makes 4 x 4
// elements, and 8 loads feed 64 multiply-adds. Nothing is shared between invocations, so nothing waits.
// Host constants: T, WX, WY (workgroup), B_BY_K (whether B's neighbours lie along k or along n).
alias T4 = vec4<T>;

@compute @workgroup_size(WX, WY, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let n = id.x * 4u;
  let m = id.y * 4u;
  if (n >= p.n || m >= p.m) { return; }
  let outer = id.z / p.inner_batch;
  let inner = id.z - outer * p.inner_batch;
  let a_base = p.a_o + outer * p.a_b0 + inner * p.a_b1;
  let b_base = p.b_o + outer * p.b_b0 + inner * p.b_b1;
  let a0 = (a_base + m * p.a_m) >> 2u;
  let a1 = (a_base + min(m + 1u, p.m - 1u) * p.a_m) >> 2u;
  let a2 = (a_base + min(m + 2u, p.m - 1u) * p.a_m) >> 2u;
  let a3 = (a_base + min(m + 3u, p.m - 1u) * p.a_m) >> 2u;
  var c0 = T4();
  var c1 = T4();
  var c2 = T4();
  var c3 = T4();
  let steps = p.k >> 2u;
  if (B_BY_K) {
    let b0 = (b_base + n * p.b_n) >> 2u;
    let b1 = (b_base + min(n + 1u, p.n - 1u) * p.b_n) >> 2u;
    let b2 = (b_base + min(n + 2u, p.n - 1u) * p.b_n) >> 2u;
    let b3 = (b_base + min(n + 3u, p.n - 1u) * p.b_n) >> 2u;
    for (var k = 0u; k < steps; k++) {
      let w0 = in1[b0 + k];
      let w1 = in1[b1 + k];
      let w2 = in1[b2 + k];
      let w3 = in1[b3 + k];
      var v = in0[a0 + k];
      c0 += T4(dot(v, w0), dot(v, w1), dot(v, w2), dot(v, w3));
      v = in0[a1 + k];
      c1 += T4(dot(v, w0), dot(v, w1), dot(v, w2), dot(v, w3));
      v = in0[a2 + k];
      c2 += T4(dot(v, w0), dot(v, w1), dot(v, w2), dot(v, w3));
      v = in0[a3 + k];
      c3 += T4(dot(v, w0), dot(v, w1), dot(v, w2), dot(v, w3));
    }
  } else {
    let down = p.b_k >> 2u;
    var b = (b_base + n) >> 2u;
    for (var k = 0u; k < steps; k++) {
      let w0 = in1[b];
      let w1 = in1[b + down];
      let w2 = in1[b + 2u * down];
      let w3 = in1[b + 3u * down];
      b += 4u * down;
      var v = in0[a0 + k];
      c0 += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
      v = in0[a1 + k];
      c1 += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
      v = in0[a2 + k];
      c2 += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
      v = in0[a3 + k];
      c3 += v.x * w0 + v.y * w1 + v.z * w2 + v.w * w3;
    }
  }
  let at = id.z * p.m * p.n + m * p.c_m + n * p.c_n;
  // What is fused to the product is a text of its own length: it is here once, not for each element.
  var rows = array<T4, 4>(c0, c1, c2, c3);
  for (var r = 0u; r < 4u && m + r < p.m; r++) {
    for (var c = 0u; c < 4u && n + c < p.n; c++) { store(at + r * p.c_m + c * p.c_n, rows[r][c]); }
  }
}
