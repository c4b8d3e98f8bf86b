//! Recurrent layers.
//!
//! In: weights a gate. Out: ONNX's `LSTM` and `RNN`, whose gates lie in one tensor, one for each direction. The one
//! decision: a state that the file keeps from run to run is zero at the start of each, as after `reset_all_variables`;
//! a run is told a state by an input of the graph.

use tract_onnx::pb::AttributeProto;

use super::graph::{Graph, Refused};
use super::nodes::{Operator, float, int, ints, text};
use crate::model::ops::CELL_CLIP;

const SIGMOID_TANH: i8 = 4;

/// An input's values under a first axis of one direction.
fn directed(g: &mut Graph, value: &str) -> String {
    let axes = g.longs(&[0]);
    g.node("Unsqueeze", &[value, &axes], vec![])
}

fn concat(g: &mut Graph, parts: &[String]) -> String {
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    g.node("Concat", &parts, vec![int("axis", 0)])
}

/// How many cells weights are for, of which there are so many zeros for each; a file may say any number.
fn cells(g: &Graph, op: &Operator, at: usize, zeros: usize) -> Refused<usize> {
    let cells = g.tensors[op.input(at)?].shape.first().copied().unwrap_or(0);
    g.file.spend(cells.saturating_mul(4 * zeros))?;
    Ok(cells)
}

/// The first state; none where it is a variable, which is zero.
fn state(g: &mut Graph, op: &Operator, at: usize) -> Refused<String> {
    match op.maybe(at).filter(|at| !g.tensors[*at].is_variable) {
        Some(at) => {
            let value = g.value(at)?;
            Ok(directed(g, &value))
        }
        None => Ok(String::new()),
    }
}

/// Weights, biases and peepholes of the four gates, in TensorFlow Lite's order: input, forget, cell, output. A layer
/// without an input gate lets in what it does not keep, and `1 - sigmoid(x)` is `sigmoid(-x)`: its input gate is its
/// forget gate with the other sign.
fn gates(g: &mut Graph, op: &Operator, first: usize, count: usize) -> Refused<Vec<String>> {
    let mut parts = vec![];
    for at in first..first + count {
        parts.push(match op.maybe(at) {
            Some(index) => g.value(index)?,
            None if at == first && count == 4 => {
                let forget = g.value(op.input(at + 1)?)?;
                g.node("Neg", &[&forget], vec![])
            }
            None => return Err(format!("without input {at}")),
        });
    }
    Ok(parts)
}

/// ONNX's order of the gates: input, output, forget, cell.
fn in_order(g: &mut Graph, parts: &[String]) -> String {
    let parts = [0, 3, 1, 2].map(|at| parts[at].clone());
    let all = concat(g, &parts);
    directed(g, &all)
}

/// Where the weights of an LSTM's direction begin, which are of the input, of the state, peepholes, biases, and a
/// projection; its states; and the weights of a second input, where it has one.
struct Lstm {
    first: usize,
    states: [usize; 2],
    second: Option<usize>,
}

/// ONNX's inputs behind the values, and how many cells there are.
struct Weights {
    inputs: Vec<String>,
    hidden: usize,
}

/// What a layer reads, as `[time, batch, size]`, and how it gives what it makes.
struct Layer {
    sequence: bool,
    time_major: bool,
}

fn lstm_weights(g: &mut Graph, op: &Operator, at: &Lstm) -> Refused<Weights> {
    let Lstm { first, states, second } = at;
    if op.maybe(first + 15).is_some() {
        return Err("with a projection".to_owned());
    }
    let hidden = cells(g, op, first + 1, 4)?;
    let (w, r) = (gates(g, op, *first, 4)?, gates(g, op, first + 4, 4)?);
    let (mut w, r) = (in_order(g, &w), in_order(g, &r));
    if let Some(second) = second {
        let more = gates(g, op, *second, 4)?;
        let more = in_order(g, &more);
        w = g.node("Concat", &[&w, &more], vec![int("axis", 2)]);
    }
    let bias = gates(g, op, first + 11, 4)?;
    let bias = in_order(g, &bias);
    let zeros = g.floats(&vec![0.0; 4 * hidden], &[1, 4 * hidden]);
    let bias = g.node("Concat", &[&bias, &zeros], vec![int("axis", 1)]);
    let [input, forget, output] = [8, 9, 10].map(|at| first + at);
    let peepholes = if op.maybe(forget).is_some() {
        let coupled = op.maybe(input).is_none();
        let forget = g.value(op.input(forget)?)?;
        let input = match op.maybe(input) {
            Some(at) => g.value(at)?,
            None => g.node("Neg", &[&forget], vec![]),
        };
        if coupled && op.maybe(*first).is_some() {
            return Err("with a peephole that is missing".to_owned());
        }
        let output = g.value(op.input(output)?)?;
        let all = concat(g, &[input, output, forget]);
        directed(g, &all)
    } else {
        String::new()
    };
    let [h, c] = [state(g, op, states[0])?, state(g, op, states[1])?];
    Ok(Weights { inputs: vec![w, r, bias, String::new(), h, c, peepholes], hidden })
}

/// The attribute that bounds the cells, from the options of an LSTM.
fn clip(op: &Operator) -> Refused<Vec<AttributeProto>> {
    let (activation, clip) = (op.byte(0), op.real(1));
    if activation != SIGMOID_TANH {
        return Err("with another activation than tanh".to_owned());
    }
    if clip < 0.0 {
        return Err("with cells clipped below 0".to_owned());
    }
    Ok(if clip > 0.0 { vec![float(CELL_CLIP, clip)] } else { vec![] })
}

/// Inputs: values; weights; states; normalisation.
pub(super) fn lstm(g: &mut Graph, op: &Operator, sequence: bool) -> Refused {
    let clip = clip(op)?;
    // A single step has the kind of its kernel where a sequence says its order.
    if !sequence && op.byte(3) != 0 {
        return Err("of the old kernel".to_owned());
    }
    if (20..24).any(|at| op.maybe(at).is_some()) {
        return Err("with normalised gates".to_owned());
    }
    let weights = lstm_weights(g, op, &Lstm { first: 1, states: [18, 19], second: None })?;
    let layer = Layer { sequence, time_major: !sequence || op.flag(3) };
    let value = g.value(op.input(0)?)?;
    let value = layer.enter(g, value);
    let made = layer.run(g, "LSTM", &value, &weights, clip);
    g.give(op.outputs[0], made);
    Ok(())
}

/// Inputs: values; weights forwards, and backwards; states; a second input and its weights in both directions.
pub(super) fn lstm_both_ways(g: &mut Graph, op: &Operator) -> Refused {
    let clip = clip(op)?;
    let second = op.maybe(39);
    // Its weights, for all gates but perhaps the first.
    let joined = second.filter(|_| op.maybe(41).is_some());
    let sides = [
        Lstm { first: 1, states: [35, 36], second: joined.map(|_| 40) },
        Lstm { first: 18, states: [37, 38], second: joined.map(|_| 44) },
    ];
    let mut weights = vec![];
    for side in &sides {
        weights.push(lstm_weights(g, op, side)?);
    }
    // The schema's default is true.
    let time_major = op.options.is_none_or(|options| options.int8_or(4, 1) != 0);
    both_ways(g, op, ("LSTM", &clip), &weights, (second, joined), (time_major, op.flag(3)))
}

/// Weights of the input and of the state, a bias, the state; and the weights of a second input.
fn rnn_weights(
    g: &mut Graph,
    op: &Operator,
    first: usize,
    second: Option<usize>,
) -> Refused<Weights> {
    let hidden = cells(g, op, first, 1)?;
    let mut parts = vec![];
    for at in first..first + 3 {
        let value = g.value(op.input(at)?)?;
        parts.push(directed(g, &value));
    }
    if let Some(second) = second {
        let more = g.value(op.input(second)?)?;
        let more = directed(g, &more);
        parts[0] = g.node("Concat", &[&parts[0], &more], vec![int("axis", 2)]);
    }
    let zeros = g.floats(&vec![0.0; hidden], &[1, hidden]);
    parts[2] = g.node("Concat", &[&parts[2], &zeros], vec![int("axis", 1)]);
    parts.push(String::new());
    parts.push(state(g, op, first + 3)?);
    Ok(Weights { inputs: parts, hidden })
}

fn activation(number: i8) -> Refused<Vec<AttributeProto>> {
    let names = ["", "Relu", "", "", "Tanh"];
    let name = usize::try_from(number).ok().and_then(|at| names.get(at));
    let name = name.filter(|n| !n.is_empty()).ok_or("with another activation")?;
    let mut attribute = text("activations", "");
    attribute.r#type = tract_onnx::pb::attribute_proto::AttributeType::Strings as i32;
    attribute.s.clear();
    attribute.strings = vec![name.as_bytes().to_vec()];
    Ok(vec![attribute])
}

/// Inputs: values, weights of the input and of the state, a bias, the state.
pub(super) fn rnn(g: &mut Graph, op: &Operator, sequence: bool) -> Refused {
    let activation = activation(op.byte(usize::from(sequence)))?;
    let weights = rnn_weights(g, op, 1, None)?;
    let layer = Layer { sequence, time_major: !sequence || op.flag(0) };
    let value = g.value(op.input(0)?)?;
    let value = layer.enter(g, value);
    let made = layer.run(g, "RNN", &value, &weights, activation);
    g.give(op.outputs[0], made);
    Ok(())
}

/// Inputs: values; weights and a state forwards, and backwards; a second input and its weights in both directions.
pub(super) fn rnn_both_ways(g: &mut Graph, op: &Operator) -> Refused {
    let activation = activation(op.byte(1))?;
    let second = op.maybe(9);
    let joined = second.filter(|_| op.maybe(10).is_some());
    let forwards = rnn_weights(g, op, 1, joined.map(|_| 10))?;
    let backwards = rnn_weights(g, op, 5, joined.map(|_| 11))?;
    let weights = [forwards, backwards];
    both_ways(g, op, ("RNN", &activation), &weights, (second, joined), (op.flag(0), op.flag(2)))
}

/// One layer forwards and one backwards. Of a `second` input without weights of its own the backward layer reads that
/// alone; with them, both read both.
fn both_ways(
    g: &mut Graph,
    op: &Operator,
    (op_type, attributes): (&str, &[AttributeProto]),
    weights: &[Weights],
    (second, joined): (Option<usize>, Option<usize>),
    (time_major, merged): (bool, bool),
) -> Refused {
    let layer = Layer { sequence: true, time_major };
    let value = g.value(op.input(0)?)?;
    let mut values = [value.clone(), value];
    if let Some(second) = second {
        values[1] = g.value(second)?;
    }
    let [forwards, backwards] = values.map(|value| layer.enter(g, value));
    let both = joined.map(|_| g.node("Concat", &[&forwards, &backwards], vec![int("axis", 2)]));
    let values = both.map_or([forwards, backwards], |both| [both.clone(), both]);
    let mut made = vec![];
    for ((value, weights), direction) in values.iter().zip(weights).zip(["forward", "reverse"]) {
        let attributes = attributes.iter().cloned().chain([text("direction", direction)]);
        made.push(layer.run(g, op_type, value, weights, attributes.collect()));
    }
    if merged {
        let made: Vec<_> = made.iter().map(String::as_str).collect();
        let made = g.node("Concat", &made, vec![int("axis", 2)]);
        g.give(op.outputs[0], made);
        return Ok(());
    }
    if op.outputs.len() < made.len() {
        return Err("without an output for each direction".to_owned());
    }
    for (output, made) in op.outputs.iter().zip(made) {
        g.give(*output, made);
    }
    Ok(())
}

impl Layer {
    fn turn(g: &mut Graph, value: &str) -> String {
        g.node("Transpose", &[value], vec![ints("perm", &[1, 0, 2])])
    }

    /// Batch and time change places where the file has the batch first.
    fn enter(&self, g: &mut Graph, value: String) -> String {
        if !self.sequence {
            return directed(g, &value);
        }
        if self.time_major { value } else { Self::turn(g, &value) }
    }

    /// The node of one direction.
    fn run(
        &self,
        g: &mut Graph,
        op_type: &str,
        value: &str,
        weights: &Weights,
        mut attributes: Vec<AttributeProto>,
    ) -> String {
        let used = weights.inputs.iter().rposition(|w| !w.is_empty()).map_or(0, |last| last + 1);
        let given = weights.inputs[..used].iter().map(String::as_str);
        let inputs: Vec<&str> = std::iter::once(value).chain(given).collect();
        attributes.push(int("hidden_size", weights.hidden as i64));
        let made = g.node(op_type, &inputs, attributes);
        // [time, direction, batch, hidden]
        let axes = if self.sequence { g.longs(&[1]) } else { g.longs(&[0, 1]) };
        let made = g.node("Squeeze", &[&made, &axes], vec![]);
        if self.sequence && !self.time_major { Self::turn(g, &made) } else { made }
    }
}
