// Steps of LSTM, GRU or RNN: a workgroup takes one row of the batch in one direction through all steps, an invocation
// the hidden units LANE, LANE + LANES, …; the state lies in workgroup memory.
// in0: the gates' sums over the input, [direction, row, gate * HIDDEN]; in1: weights of the state,
// [direction, from, gate * HIDDEN]; in2: the first state, [hidden or cell, direction, batch, HIDDEN]; in3: the bias of a
// late reset, [direction, gate * HIDDEN]. out1: the last state. Gates as ONNX orders them.
// Host constants: CELL (0 LSTM, 1 GRU, 2 RNN), LATE, HIDDEN, LANES.
var<workgroup> h: array<f32, HIDDEN>;
var<workgroup> next: array<f32, HIDDEN>;
var<workgroup> cell: array<f32, HIDDEN>;

fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(-x)); }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = group.x;
  let d = group.y;
  let own = (d * p.batch + b) * HIDDEN;
  let states = p.directions * p.batch * HIDDEN;
  for (var j = lane; j < HIDDEN; j += LANES) {
    h[j] = in2[own + j];
    if (CELL == 0u) { cell[j] = in2[states + own + j]; }
  }
  workgroupBarrier();
  let weights = d * HIDDEN * p.gates;
  for (var step = 0u; step < p.steps; step++) {
    let t = select(step, p.steps - 1u - step, ((p.backwards >> d) & 1u) == 1u);
    let row = (d * p.rows + t * p.row_t + b * p.row_b) * p.gates;
    for (var j = lane; j < HIDDEN; j += LANES) {
      var w = weights + j;
      if (CELL == 0u) {
        var sum = vec4<f32>(in0[row + j], in0[row + HIDDEN + j], in0[row + 2u * HIDDEN + j], in0[row + 3u * HIDDEN + j]);
        for (var k = 0u; k < HIDDEN; k++) {
          sum += h[k] * vec4<f32>(in1[w], in1[w + HIDDEN], in1[w + 2u * HIDDEN], in1[w + 3u * HIDDEN]);
          w += p.gates;
        }
        let c = sigmoid(sum.z) * cell[j] + sigmoid(sum.x) * tanh_(sum.w);
        cell[j] = c;
        next[j] = sigmoid(sum.y) * tanh_(c);
      } else if (CELL == 1u) {
        var update = in0[row + j];
        var reset = in0[row + HIDDEN + j];
        var late = 0.0;
        for (var k = 0u; k < HIDDEN; k++) {
          update += h[k] * in1[w];
          reset += h[k] * in1[w + HIDDEN];
          if (LATE) { late += h[k] * in1[w + 2u * HIDDEN]; }
          w += p.gates;
        }
        cell[j] = sigmoid(update);
        if (LATE) {
          let bias = in3[d * p.gates + 2u * HIDDEN + j];
          next[j] = tanh_(in0[row + 2u * HIDDEN + j] + sigmoid(reset) * (late + bias));
        } else {
          next[j] = sigmoid(reset) * h[j];
        }
      } else {
        var sum = in0[row + j];
        for (var k = 0u; k < HIDDEN; k++) {
          sum += h[k] * in1[w];
          w += p.gates;
        }
        next[j] = tanh_(sum);
      }
    }
    workgroupBarrier();
    if (CELL == 1u) {
      for (var j = lane; j < HIDDEN; j += LANES) {
        var fresh = next[j];
        if (!LATE) {
          fresh = in0[row + 2u * HIDDEN + j];
          var w = weights + 2u * HIDDEN + j;
          for (var k = 0u; k < HIDDEN; k++) {
            fresh += next[k] * in1[w];
            w += p.gates;
          }
          fresh = tanh_(fresh);
        }
        h[j] = (1.0 - cell[j]) * fresh + cell[j] * h[j];
      }
      workgroupBarrier();
    } else {
      for (var j = lane; j < HIDDEN; j += LANES) { h[j] = next[j]; }
      workgroupBarrier();
    }
    for (var j = lane; j < HIDDEN; j += LANES) { store(t * p.y_t + d * p.y_d + b * p.y_b + j, h[j]); }
  }
  for (var j = lane; j < HIDDEN; j += LANES) {
    out1[own + j] = h[j];
    if (CELL == 0u) { out1[states + own + j] = cell[j]; }
  }
}
