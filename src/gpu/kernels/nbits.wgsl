// A x B, where B's columns are codes of BITS bits in blocks along k, a scale and maybe a zero point each. A workgroup
// makes COLUMNS columns of ROWS rows; SLICES invocations share the sum of each, neighbours reading neighbouring words.
// in0: A, four at a time; in1: codes; in2: scales; in3: zero points, if any.
// Host text: E, what is multiplied; NARROW, whether weights are scaled before: as f16, since codes times activations may
// be out of range, and where GROUPS, since neighbours are of several blocks, which `block_of(row)` names; BITS, ROWS (1 or 4), COLUMNS, SLICES, `zero(column, block)`, `shared_sum(flat, slice, x)` of all slices.
const CODES = 32u / BITS;
const MASK = (1u << BITS) - 1u;

fn codes(word: u32, at: u32) -> vec4<f32> {
  let shifted = vec4<u32>(word, word >> BITS, word >> (2u * BITS), word >> (3u * BITS)) >> vec4<u32>(at * BITS);
  return vec4<f32>(shifted & vec4<u32>(MASK));
}

fn put(row: u32, column: u32, value: f32) {
  if (row < p.m) { store(row * p.n + column, value); }
}

@compute @workgroup_size(SLICES, COLUMNS, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let column = group.x * COLUMNS + local.y;
  let row = group.y * ROWS;
  let last = p.m - 1u;
  let a0 = row * p.fours;
  let a1 = min(row + 1u, last) * p.fours;
  let a2 = min(row + 2u, last) * p.fours;
  let a3 = min(row + 3u, last) * p.fours;
  var sum = vec4<f32>();
  if (column < p.n) {
    for (var w = local.x; w < p.words; w += SLICES) {
      let block = w / p.block_words;
      let word = in1[column * p.words + w];
      let scale = f32(in2[column * p.blocks + block]);
      let middle = zero(column, block);
      var part = vec4<f32>();
      for (var c = 0u; c < CODES; c += 4u) {
        var by = vec4<f32>(select(1.0, scale, NARROW));
        var zeros = middle;
        if (GROUPS) {
          let r = w * CODES + c;
          let b = vec4<u32>(block_of(r), block_of(r + 1u), block_of(r + 2u), block_of(r + 3u));
          let s = column * p.blocks + b;
          by = vec4<f32>(f32(in2[s.x]), f32(in2[s.y]), f32(in2[s.z]), f32(in2[s.w]));
          zeros = vec4<f32>(zero(column, b.x).x, zero(column, b.y).x, zero(column, b.z).x, zero(column, b.w).x);
        }
        let q = vec4<E>((codes(word, c) - zeros) * by);
        let k = (w * CODES + c) >> 2u;
        part.x += f32(dot(q, in0[a0 + k]));
        if (ROWS > 1u) {
          part.y += f32(dot(q, in0[a1 + k]));
          part.z += f32(dot(q, in0[a2 + k]));
          part.w += f32(dot(q, in0[a3 + k]));
        }
      }
      sum += part * select(scale, 1.0, NARROW);
    }
  }
  sum = shared_sum(local.y * SLICES + local.x, local.x, sum);
  if (local.x == 0u && column < p.n) {
    put(row, column, sum.x);
    if (ROWS > 1u) {
      put(row + 1u, column, sum.y);
      put(row + 2u, column, sum.z);
      put(row + 3u, column, sum.w);
    }
  }
}
