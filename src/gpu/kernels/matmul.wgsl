// C = A x B, tile by tile. A workgroup of TX x TY invocations makes 4*TY rows and 4*TX columns of C, each
// invocation 4 x 4 of them in four named vectors (indexed private arrays would stay in memory). Tiles are
// laid out so that one vec4 along m and one along n feed 16 multiply-adds.
// Host constants: T, E (what is multiplied), BLOCK (products that are added as E), TX, TY, A_BY_K, B_BY_K (which axis
// neighbours in memory), STEP.
alias T4 = vec4<T>;
alias E4 = vec4<E>;

var<workgroup> tile_a: array<E4, STEP * TY>;
var<workgroup> tile_b: array<E4, STEP * TX>;

fn load_a(base: u32, m: u32, k: u32) -> E4 {
  if (k >= p.k) { return E4(); }
  let at = base + m * p.a_m + k * p.a_k;
  let last = p.m - 1u;
  return E4(in0[at], in0[select(at, at + p.a_m, m < last)], in0[select(at, at + 2u * p.a_m, m + 1u < last)],
            in0[select(at, at + 3u * p.a_m, m + 2u < last)]);
}

fn load_b(base: u32, n: u32, k: u32) -> E4 {
  if (k >= p.k) { return E4(); }
  let at = base + n * p.b_n + k * p.b_k;
  let last = p.n - 1u;
  return E4(in1[at], in1[select(at, at + p.b_n, n < last)], in1[select(at, at + 2u * p.b_n, n + 1u < last)],
            in1[select(at, at + 3u * p.b_n, n + 2u < last)]);
}

@compute @workgroup_size(TX, TY, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let outer = group.z / p.inner_batch;
  let inner = group.z - outer * p.inner_batch;
  let a_base = p.a_o + outer * p.a_b0 + inner * p.a_b1;
  let b_base = p.b_o + outer * p.b_b0 + inner * p.b_b1;
  let m0 = group.y * TY * 4u;
  let n0 = group.x * TX * 4u;
  let flat = local.y * TX + local.x;
  var c0 = T4();
  var c1 = T4();
  var c2 = T4();
  var c3 = T4();
  for (var k0 = 0u; k0 < p.k; k0 += STEP) {
    for (var e = flat; e < STEP * TY; e += TX * TY) {
      let k = select(e / TY, e % STEP, A_BY_K);
      let m = select(e % TY, e / STEP, A_BY_K);
      tile_a[k * TY + m] = load_a(a_base, min(m0 + m * 4u, p.m - 1u), k0 + k);
    }
    for (var e = flat; e < STEP * TX; e += TX * TY) {
      let k = select(e / TX, e % STEP, B_BY_K);
      let n = select(e % TX, e / STEP, B_BY_K);
      tile_b[k * TX + n] = load_b(b_base, min(n0 + n * 4u, p.n - 1u), k0 + k);
    }
    workgroupBarrier();
    for (var first = 0u; first < STEP; first += BLOCK) {
      var s0 = E4();
      var s1 = E4();
      var s2 = E4();
      var s3 = E4();
      for (var k = first; k < first + BLOCK; k++) {
        let a = tile_a[k * TY + local.y];
        let b = tile_b[k * TX + local.x];
        s0 += a.x * b;
        s1 += a.y * b;
        s2 += a.z * b;
        s3 += a.w * b;
      }
      c0 += T4(s0);
      c1 += T4(s1);
      c2 += T4(s2);
      c3 += T4(s3);
    }
    workgroupBarrier();
  }
  let row = m0 + local.y * 4u;
  let n = n0 + local.x * 4u;
  let at = group.z * p.m * p.n + row * p.c_m + n * p.c_n;
  // What is fused to the product is a text of its own length: it is here once, not for each element.
  var rows = array<T4, 4>(c0, c1, c2, c3);
  for (var r = 0u; r < 4u && row + r < p.m; r++) {
    for (var c = 0u; c < 4u && n + c < p.n; c++) { store(at + r * p.c_m + c * p.c_n, rows[r][c]); }
  }
}
