// softmax(score(Q x K)) x V, the scores never in memory: X neighbouring invocations, of 64 in a workgroup, make 4 rows and
// meet the keys 4 * X at a time. Each has 4 x 4 scores of a tile, and 4 rows by COLUMNS vectors of the result in named
// accumulators, which are scaled down whenever a row's highest score rises (Milakov and Gimelshein; Dao et al.).
// Host text: `q_at(b)`, `k_at(b)`, `v_at(b)`, where matrix b starts; `q4`, `k4`, `v4`, four neighbours of a row;
// E, what is multiplied of queries and keys, four products before they are added; `score(b, row, key, x)`; `aside(b, top)`, what of a row's sum no key has; `shared_max` and `shared_sum` of the X
// invocations of a row; X; COLUMNS; `Sums`, `scale(sums, by)`, `add(sums, …)` and `together(sums)`, all of them;
// `spread(sums, …)`, which adds the values by the shares of all X invocations, of which the first is $OWN - x.
const LOWEST = -3.4028234663852886e38f;

fn most(v: vec4<f32>) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
fn total(v: vec4<f32>) -> f32 { return v.x + v.y + v.z + v.w; }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) flat: u32$LANE) {
  let x = flat % X;
  let b = group.z;
  let q = q_at(b);
  let k = k_at(b);
  let v = v_at(b);
  let row = (group.x * (64u / X) + flat / X) * 4u;
  let column = group.y * (COLUMNS * X) + x;
  let own = $OWN - x;
  var sums = Sums();
  var top = vec4<f32>(LOWEST);
  var sum = vec4<f32>();
  for (var k0 = 0u; k0 < p.keys; k0 += X * 4u) {
    let key = k0 + x * 4u;
    var s0 = vec4<f32>();
    var s1 = vec4<f32>();
    var s2 = vec4<f32>();
    var s3 = vec4<f32>();
    for (var d = 0u; d < p.size4; d++) {
      let w0 = k4(k, key, d);
      let w1 = k4(k, key + 1u, d);
      let w2 = k4(k, key + 2u, d);
      let w3 = k4(k, key + 3u, d);
      var a = q4(q, row, d);
      s0 += vec4<f32>(vec4<E>(dot(a, w0), dot(a, w1), dot(a, w2), dot(a, w3)));
      a = q4(q, row + 1u, d);
      s1 += vec4<f32>(vec4<E>(dot(a, w0), dot(a, w1), dot(a, w2), dot(a, w3)));
      a = q4(q, row + 2u, d);
      s2 += vec4<f32>(vec4<E>(dot(a, w0), dot(a, w1), dot(a, w2), dot(a, w3)));
      a = q4(q, row + 3u, d);
      s3 += vec4<f32>(vec4<E>(dot(a, w0), dot(a, w1), dot(a, w2), dot(a, w3)));
    }
    // What is done to a score is a text of its own length: it is here four times, not for each score.
    let last = p.keys - 1u;
    let there = vec4<u32>(key, key + 1u, key + 2u, key + 3u) <= vec4<u32>(last);
    var rows = array<vec4<f32>, 4>(s0, s1, s2, s3);
    for (var r = 0u; r < 4u; r++) {
      let at = min(row + r, p.rows - 1u);
      let s = rows[r];
      let done = vec4<f32>(score(b, at, min(key, last), s.x), score(b, at, min(key + 1u, last), s.y),
                           score(b, at, min(key + 2u, last), s.z), score(b, at, min(key + 3u, last), s.w));
      rows[r] = select(vec4<f32>(LOWEST), done, there);
    }
    let tops = vec4<f32>(most(rows[0]), most(rows[1]), most(rows[2]), most(rows[3]));
    let now = max(top, shared_max(flat, x, tops));
    let none = vec4<f32>();
    let p0 = select(none, exp(rows[0] - now.x), there);
    let p1 = select(none, exp(rows[1] - now.y), there);
    let p2 = select(none, exp(rows[2] - now.z), there);
    let p3 = select(none, exp(rows[3] - now.w), there);
    let by = exp(top - now);
    sum = sum * by + vec4<f32>(total(p0), total(p1), total(p2), total(p3));
    scale(&sums, by);
    top = now;
    spread(&sums, own, x, v, k0, column, p0, p1, p2, p3);
  }
  let all = shared_sum(flat, x, sum);
  let base = b * p.rows * p.width;
  var made = together(&sums);
  for (var c = 0u; c < COLUMNS; c++) {
    let first = (column + c * X) * 4u;
    for (var r = 0u; r < 4u && row + r < p.rows; r++) {
      let value = made[c * 4u + r] / (all[r] + aside(b, top[r]));
      let at = base + (row + r) * p.c_m + first * p.c_n;
      for (var l = 0u; l < 4u && first + l < p.width; l++) { store(at + l * p.c_n, value[l]); }
    }
  }
}
