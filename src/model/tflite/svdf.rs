//! `SVDF`: a dense layer whose weights are of a low rank in time.
//!
//! In: an operator. Out: ONNX nodes. What the file keeps from run to run is zero at the start of each, as it is for
//! recurrent layers; a run is told it by an input of the graph.

use super::graph::{Graph, Refused};
use super::nodes::{Operator, int, ints};
use super::ops::activated;

/// A memory of what filters made of the values so far, which is weighed by time: inputs are values, filters, their
/// weights in time, a bias, the memory `[batch, filters * steps]`.
pub(super) fn svdf(g: &mut Graph, op: &Operator) -> Refused {
    let (rank, activation) = (usize::try_from(op.int(0)).unwrap_or(0), op.byte(1));
    let &[filters, steps] = &g.tensors[op.input(2)?].shape[..] else {
        return Err("with weights in time of another rank than 2".to_owned());
    };
    if rank == 0 || filters % rank != 0 || steps == 0 {
        return Err(format!("of rank {rank} with {filters} filters over {steps} steps"));
    }
    let (value, features) = (g.value(op.input(0)?)?, g.value(op.input(1)?)?);
    let turned = g.node("Transpose", &[&features], vec![ints("perm", &[1, 0])]);
    let now = g.node("MatMul", &[&value, &turned], vec![]);
    let time = g.value(op.input(2)?)?;
    let memory = op.maybe(4).filter(|at| !g.tensors[*at].is_variable);
    let filtered = match memory {
        Some(memory) => {
            let memory = g.value(memory)?;
            let shape = g.longs(&[0, filters as i64, steps as i64]);
            let memory = g.node("Reshape", &[&memory, &shape], vec![]);
            let (from, to, axes) = (g.longs(&[1]), g.longs(&[i64::MAX]), g.longs(&[2]));
            let memory = g.node("Slice", &[&memory, &from, &to, &axes], vec![]);
            let now = g.node("Unsqueeze", &[&now, &axes], vec![]);
            let memory = g.node("Concat", &[&memory, &now], vec![int("axis", 2)]);
            let weighed = g.node("Mul", &[&memory, &time], vec![]);
            g.node("ReduceSum", &[&weighed, &axes], vec![int("keepdims", 0)])
        }
        // All but the last step is zero.
        None => {
            let (last, axis) = (g.long(steps as i64 - 1), int("axis", 1));
            let last = g.node("Gather", &[&time, &last], vec![axis]);
            g.node("Mul", &[&now, &last], vec![])
        }
    };
    let shape = g.longs(&[0, (filters / rank) as i64, rank as i64]);
    let ranks = g.node("Reshape", &[&filtered, &shape], vec![]);
    let axes = g.longs(&[2]);
    let mut made = g.node("ReduceSum", &[&ranks, &axes], vec![int("keepdims", 0)]);
    if let Some(bias) = op.maybe(3) {
        let bias = g.value(bias)?;
        made = g.node("Add", &[&made, &bias], vec![]);
    }
    let made = activated(g, made, activation)?;
    g.give(op.outputs[0], made);
    Ok(())
}
