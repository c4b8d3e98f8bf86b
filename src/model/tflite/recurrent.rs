//! Recurrent layers.
//!
//! In: weights a gate. Out: ONNX's `LSTM` and `RNN`, whose gates lie in one tensor. The one decision: a state that the
//! file keeps from run to run is zero at the start of each, as after `reset_all_variables`; a run is told a state by
//! an input of the graph.

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

/// Inputs: values; weights of the input, of the state, peepholes, biases; a projection; states; normalisation.
pub(super) fn lstm(g: &mut Graph, op: &Operator, sequence: bool) -> Refused {
    // A single step has the kind of its kernel where a sequence says its order.
    let odd = [
        (op.byte(0) != SIGMOID_TANH, "with another activation than tanh"),
        (op.real(1) < 0.0, "with cells clipped below 0"),
        (!sequence && op.byte(3) != 0, "of the old kernel"),
        (op.maybe(16).is_some(), "with a projection"),
        ((20..24).any(|at| op.maybe(at).is_some()), "with normalised gates"),
    ];
    if let Some((_, what)) = odd.iter().find(|(odd, _)| *odd) {
        return Err((*what).to_owned());
    }
    let hidden = g.tensors[op.input(2)?].shape.first().copied().unwrap_or(0);
    let (w, r) = (gates(g, op, 1, 4)?, gates(g, op, 5, 4)?);
    let (w, r) = (in_order(g, &w), in_order(g, &r));
    let bias = gates(g, op, 12, 4)?;
    let bias = in_order(g, &bias);
    let zeros = g.floats(&vec![0.0; 4 * hidden], &[1, 4 * hidden]);
    let bias = g.node("Concat", &[&bias, &zeros], vec![int("axis", 1)]);
    let peepholes = if op.maybe(10).is_some() {
        let coupled = op.maybe(9).is_none();
        let forget = g.value(op.input(10)?)?;
        let input = match op.maybe(9) {
            Some(at) => g.value(at)?,
            None => g.node("Neg", &[&forget], vec![]),
        };
        if coupled && op.maybe(1).is_some() {
            return Err("with a peephole that is missing".to_owned());
        }
        let output = g.value(op.input(11)?)?;
        let all = concat(g, &[input, output, forget]);
        directed(g, &all)
    } else {
        String::new()
    };
    let states = [state(g, op, 18)?, state(g, op, 19)?];
    let time_major = !sequence || op.flag(3);
    let weights = [&w, &r, &bias, "", &states[0], &states[1], &peepholes];
    let clip = op.real(1);
    let clip = if clip > 0.0 { vec![float(CELL_CLIP, clip)] } else { vec![] };
    layer(g, op, ("LSTM", clip), &weights, hidden, (sequence, time_major))
}

/// Inputs: values, weights of the input and of the state, a bias, the state.
pub(super) fn rnn(g: &mut Graph, op: &Operator, sequence: bool) -> Refused {
    let names = ["", "Relu", "", "", "Tanh"];
    let activation = op.byte(usize::from(sequence));
    let name = usize::try_from(activation).ok().and_then(|at| names.get(at));
    let name = name.filter(|n| !n.is_empty()).ok_or("with another activation")?;
    let hidden = g.tensors[op.input(1)?].shape.first().copied().unwrap_or(0);
    let mut parts = vec![];
    for at in 1..4 {
        let value = g.value(op.input(at)?)?;
        parts.push(directed(g, &value));
    }
    let zeros = g.floats(&vec![0.0; hidden], &[1, hidden]);
    let bias = g.node("Concat", &[&parts[2], &zeros], vec![int("axis", 1)]);
    let first = state(g, op, 4)?;
    let mut attribute = text("activations", "");
    attribute.r#type = tract_onnx::pb::attribute_proto::AttributeType::Strings as i32;
    attribute.s.clear();
    attribute.strings = vec![name.as_bytes().to_vec()];
    let time_major = !sequence || op.flag(0);
    let weights = [&parts[0], &parts[1], &bias, "", &first];
    layer(g, op, ("RNN", vec![attribute]), &weights, hidden, (sequence, time_major))
}

/// The node of a layer, around which batch and time change places where the file has the batch first.
fn layer(
    g: &mut Graph,
    op: &Operator,
    (op_type, mut attributes): (&str, Vec<AttributeProto>),
    weights: &[&str],
    hidden: usize,
    (sequence, time_major): (bool, bool),
) -> Refused {
    let mut value = g.value(op.input(0)?)?;
    if !sequence {
        value = directed(g, &value);
    } else if !time_major {
        value = g.node("Transpose", &[&value], vec![ints("perm", &[1, 0, 2])]);
    }
    let used = weights.iter().rposition(|w| !w.is_empty()).map_or(0, |last| last + 1);
    let inputs: Vec<&str> =
        std::iter::once(value.as_str()).chain(weights[..used].iter().copied()).collect();
    attributes.push(int("hidden_size", hidden as i64));
    let made = g.node(op_type, &inputs, attributes);
    // [time, direction, batch, hidden]
    let axes = if sequence { g.longs(&[1]) } else { g.longs(&[0, 1]) };
    let mut made = g.node("Squeeze", &[&made, &axes], vec![]);
    if sequence && !time_major {
        made = g.node("Transpose", &[&made], vec![ints("perm", &[1, 0, 2])]);
    }
    g.give(op.outputs[0], made);
    Ok(())
}
