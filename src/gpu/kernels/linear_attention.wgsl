// Attention whose past is a matrix a head: a workgroup takes COLUMNS columns of one head's state through all steps, and
// SLICES neighbouring invocations share the rows of each. The state lies in workgroup memory; none waits for another's part.
// in0: queries, [batch, step, head, SIZE]; in1: keys; in2: values. out1: the last state, [batch, head, SIZE, column].
// Host text: SIZE, COLUMNS, SLICES; GROUP, heads of queries to one of keys; GATED, DELTA; `first(at)`, the state before;
// `fade(token, row, i)`, the logarithm of what row i keeps; `rate(token, row)`; `shared_sum(flat, slice, x)` of all slices.
var<workgroup> state: array<f32, SIZE * COLUMNS>;

@compute @workgroup_size(SLICES, COLUMNS, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let slice = local.x;
  let flat = local.y * SLICES + slice;
  let own = local.y * SIZE;
  let column = group.x * COLUMNS + local.y;
  let there = column < p.width;
  let j = min(column, p.width - 1u);
  let base = (group.z * p.heads + group.y) * SIZE * p.width + j;
  for (var i = slice; i < SIZE; i += SLICES) { state[own + i] = first(base + i * p.width); }
  for (var step = 0u; step < p.steps; step++) {
    let token = group.z * p.steps + step;
    let row = token * p.heads + group.y;
    var fresh = in2[row * p.width + j];
    if (DELTA) {
      var sum = 0.0;
      for (var i = slice; i < SIZE; i += SLICES) {
        var kept = state[own + i];
        if (GATED) { kept *= exp(fade(token, row, i)); }
        state[own + i] = kept;
        sum += in1[row * SIZE + i] * kept;
      }
      fresh = rate(token, row) * (fresh - shared_sum(flat, slice, sum));
    }
    for (var i = slice; i < SIZE; i += SLICES) {
      var kept = state[own + i];
      if (GATED && !DELTA) { kept *= exp(fade(token, row, i)); }
      state[own + i] = kept + in1[row * SIZE + i] * fresh;
    }
    for (var g = 0u; g < GROUP; g++) {
      let head = row * GROUP + g;
      var sum = 0.0;
      for (var i = slice; i < SIZE; i += SLICES) { sum += in0[head * SIZE + i] * state[own + i]; }
      sum = shared_sum(flat, slice, sum);
      if (slice == 0u && there) { store(head * p.width + j, sum * p.scale); }
    }
  }
  if (!there) { return; }
  for (var i = slice; i < SIZE; i += SLICES) { out1[base + i * p.width] = STATE(state[own + i]); }
}
