// softmax(score(Q x K)) x V for few rows, as a decoder has them: a workgroup makes one row. Its 64 invocations meet the
// keys 64 at a time, each with one score, and then share the columns of the result, four each, and the keys of these.
// Host text: as for `attention.wgsl` as far as it is read; FOURS, vectors of columns side by side, a power of two.
const LOWEST = -3.4028234663852886e38f;
const SLICES = 64u / FOURS;

var<workgroup> shares: array<f32, 64>;
var<workgroup> tops: array<f32, 8>;
var<workgroup> parts: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) flat: u32) {
  let b = group.z;
  let row = group.x;
  let q = q_at(b);
  let k = k_at(b);
  let v = v_at(b);
  let column = group.y * FOURS + flat % FOURS;
  let slice = flat / FOURS;
  var made = vec4<f32>();
  var top = LOWEST;
  var sum = 0.0;
  for (var k0 = 0u; k0 < p.keys; k0 += 64u) {
    let key = k0 + flat;
    var s = LOWEST;
    if (key < p.keys) {
      var product = 0.0;
      for (var d = 0u; d < p.size4; d++) { product += f32(dot(q4(q, row, d), k4(k, key, d))); }
      s = score(b, row, key, product);
    }
    shares[flat] = s;
    workgroupBarrier();
    if (flat < 8u) {
      var some = shares[flat];
      for (var e = flat + 8u; e < 64u; e += 8u) { some = max(some, shares[e]); }
      tops[flat] = some;
    }
    workgroupBarrier();
    var now = top;
    for (var e = 0u; e < 8u; e++) { now = max(now, tops[e]); }
    let share = select(0.0, exp(s - now), key < p.keys);
    shares[flat] = share;
    let by = exp(top - now);
    sum = sum * by + share;
    made *= by;
    top = now;
    workgroupBarrier();
    let many = min(64u, p.keys - k0);
    for (var e = slice; e < many; e += SLICES) { made += shares[e] * v4(v, k0 + e, column); }
    workgroupBarrier();
  }
  shares[flat] = sum;
  parts[flat] = made;
  workgroupBarrier();
  if (slice > 0u) { return; }
  var all = 0.0;
  for (var e = 0u; e < 64u; e++) { all += shares[e]; }
  for (var e = flat + FOURS; e < 64u; e += FOURS) { made += parts[e]; }
  made /= all + aside(b, top);
  let first = column * 4u;
  let at = b * p.rows * p.width + row * p.c_m + first * p.c_n;
  for (var l = 0u; l < 4u && first + l < p.width; l++) { store(at + l * p.c_n, made[l]); }
}
