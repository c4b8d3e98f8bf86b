// Steps of LSTM, GRU or RNN: a workgroup takes one row of the batch in one direction through all steps, an invocation
// the hidden units LANE, LANE + LANES, …; the state lies in workgroup memory. Of a single step, where no unit waits for
// another, several workgroups take SHARE units each.
// in0: the gates' sums over the input, [direction, row, gate * HIDDEN]; in1: weights of the state, vectors of QUARTERS *
// 4 of its elements, [direction, quarter, gate * HIDDEN]; in2: the first state, [hidden or cell, direction, batch,
// HIDDEN]; in3: the bias of a late reset, [direction, gate * HIDDEN]. out1: the last state. Gates as ONNX orders them.
// Host text: CELL (0 LSTM, 1 GRU, 2 RNN), LATE, HIDDEN, QUARTERS, SHARE, LANES; `count(b)`, the steps of row b, behind
// which all is 0; `seen(d, gate, j, c)`, what a gate (input, output, forget) of unit j sees of the cell.
var<workgroup> h: array<f32, QUARTERS * 4u>;
var<workgroup> next: array<f32, QUARTERS * 4u>;
var<workgroup> cell: array<f32, HIDDEN>;

fn sigmoid(x: f32) -> f32 { return 1.0 / (1.0 + exp(-x)); }
fn state(k: u32) -> vec4<f32> { return vec4<f32>(h[4u * k], h[4u * k + 1u], h[4u * k + 2u], h[4u * k + 3u]); }
fn reset(k: u32) -> vec4<f32> { return vec4<f32>(next[4u * k], next[4u * k + 1u], next[4u * k + 2u], next[4u * k + 3u]); }

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let b = group.x;
  let d = group.y;
  let first = group.z * SHARE + lane;
  let last = min(HIDDEN, (group.z + 1u) * SHARE);
  let own = (d * p.batch + b) * HIDDEN;
  let states = p.directions * p.batch * HIDDEN;
  for (var j = lane; j < QUARTERS * 4u; j += LANES) {
    h[j] = 0.0;
    next[j] = 0.0;
    if (j < HIDDEN) { h[j] = in2[own + j]; }
    if (CELL == 0u && j < HIDDEN) { cell[j] = in2[states + own + j]; }
  }
  workgroupBarrier();
  let weights = d * QUARTERS * p.gates;
  let steps = count(b);
  for (var step = 0u; step < steps; step++) {
    let t = select(step, steps - 1u - step, ((p.backwards >> d) & 1u) == 1u);
    let row = (d * p.rows + t * p.row_t + b * p.row_b) * p.gates;
    for (var j = first; j < last; j += LANES) {
      var w = weights + j;
      if (CELL == 0u) {
        var sum = vec4<f32>(in0[row + j], in0[row + HIDDEN + j], in0[row + 2u * HIDDEN + j], in0[row + 3u * HIDDEN + j]);
        for (var k = 0u; k < QUARTERS; k++) {
          let x = state(k);
          sum += vec4<f32>(dot(x, in1[w]), dot(x, in1[w + HIDDEN]), dot(x, in1[w + 2u * HIDDEN]), dot(x, in1[w + 3u * HIDDEN]));
          w += p.gates;
        }
        let old = cell[j];
        let c = sigmoid(sum.z + seen(d, 2u, j, old)) * old + sigmoid(sum.x + seen(d, 0u, j, old)) * tanh_(sum.w);
        cell[j] = c;
        next[j] = sigmoid(sum.y + seen(d, 1u, j, c)) * tanh_(c);
      } else if (CELL == 1u) {
        var update = in0[row + j];
        var again = in0[row + HIDDEN + j];
        var late = 0.0;
        for (var k = 0u; k < QUARTERS; k++) {
          let x = state(k);
          update += dot(x, in1[w]);
          again += dot(x, in1[w + HIDDEN]);
          if (LATE) { late += dot(x, in1[w + 2u * HIDDEN]); }
          w += p.gates;
        }
        cell[j] = sigmoid(update);
        if (LATE) {
          let bias = in3[d * p.gates + 2u * HIDDEN + j];
          next[j] = tanh_(in0[row + 2u * HIDDEN + j] + sigmoid(again) * (late + bias));
        } else {
          next[j] = sigmoid(again) * h[j];
        }
      } else {
        var sum = in0[row + j];
        for (var k = 0u; k < QUARTERS; k++) {
          sum += dot(state(k), in1[w]);
          w += p.gates;
        }
        next[j] = tanh_(sum);
      }
    }
    workgroupBarrier();
    for (var j = first; j < last; j += LANES) {
      var fresh = next[j];
      if (CELL == 1u) {
        if (!LATE) {
          fresh = in0[row + 2u * HIDDEN + j];
          var w = weights + 2u * HIDDEN + j;
          for (var k = 0u; k < QUARTERS; k++) {
            fresh += dot(reset(k), in1[w]);
            w += p.gates;
          }
          fresh = tanh_(fresh);
        }
        fresh = (1.0 - cell[j]) * fresh + cell[j] * h[j];
      }
      h[j] = fresh;
      store(t * p.y_t + d * p.y_d + b * p.y_b + j, fresh);
    }
    workgroupBarrier();
  }
  for (var t = steps; t < p.steps; t++) {
    for (var j = first; j < last; j += LANES) { store(t * p.y_t + d * p.y_d + b * p.y_b + j, 0.0); }
  }
  for (var j = first; j < last; j += LANES) {
    // What has no step has no state of a last one.
    out1[own + j] = select(0.0, h[j], steps > 0u);
    if (CELL == 0u) { out1[states + own + j] = select(0.0, cell[j], steps > 0u); }
  }
}
