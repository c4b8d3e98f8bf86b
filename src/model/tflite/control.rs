//! Operators that run other graphs of the file.
//!
//! In: `IF` or `WHILE`. Out: ONNX's `If` and `Loop` with those graphs inside. What they are given they read from
//! outside, or as carried values; quantised ones pass as the float32 numbers that they stand for.

use tract_onnx::pb::{
    GraphProto, NodeProto, TypeProto, ValueInfoProto,
    tensor_proto::DataType,
    type_proto::{Tensor, Value},
};

use super::graph::{Graph, Refused};
use super::nodes::{Operator, graph};

/// Options: the graphs for true and for false. Inputs: the condition, what the graphs are given.
pub(super) fn branch(g: &mut Graph, op: &Operator) -> Refused {
    let condition = g.value(op.input(0)?)?;
    let given = values(g, op, 1)?;
    let mut attributes = vec![];
    for (number, name) in ["then_branch", "else_branch"].into_iter().enumerate() {
        let (mut body, made) = g.inner(op.int(number), &given)?.into_parts()?;
        if made.len() != op.outputs.len() {
            return Err("of graphs with other outputs than its own".to_owned());
        }
        for (name, at) in made.iter().zip(&op.outputs) {
            give(g, &mut body, name, carrier(g, *at));
        }
        attributes.push(graph(name, body));
    }
    let made = g.nodes("If", &[&condition], op.outputs.len(), attributes);
    for (at, value) in op.outputs.iter().zip(made) {
        g.give(*at, value);
    }
    Ok(())
}

/// Options: the graph that says whether to go on, and the one that does a step; both are given all values.
pub(super) fn repeat(g: &mut Graph, op: &Operator) -> Refused {
    let (condition, step) = (op.int(0), op.int(1));
    let first = values(g, op, 0)?;
    let (parts, go) = g.inner(condition, &first)?.into_parts()?;
    g.inline(parts);
    let go = single(go)?;

    let carried: Vec<String> = first.iter().map(|_| g.fresh("carried")).collect();
    let mut inner = g.inner(step, &carried)?;
    let types: Vec<DataType> = inner.inputs.iter().map(|at| carrier(&inner, *at)).collect();
    let next: Vec<String> = inner.results()?;
    let (parts, on) = inner.inner(condition, &next)?.into_parts()?;
    inner.inline(parts);
    let on = single(on)?;
    let (mut body, made) = inner.into_parts()?;
    if made.len() != carried.len() || op.outputs.len() != carried.len() {
        return Err("of graphs with other outputs than its own".to_owned());
    }
    let (turn, going) = (g.fresh("turn"), g.fresh("going"));
    body.input = vec![declared(&turn, DataType::Int64), declared(&going, DataType::Bool)];
    body.input.extend(carried.iter().zip(&types).map(|(name, dtype)| declared(name, *dtype)));
    give(g, &mut body, &on, DataType::Bool);
    for (name, dtype) in made.iter().zip(&types) {
        give(g, &mut body, name, *dtype);
    }
    let mut inputs = vec!["", &go];
    inputs.extend(first.iter().map(String::as_str));
    let made = g.nodes("Loop", &inputs, op.outputs.len(), vec![graph("body", body)]);
    for (at, value) in op.outputs.iter().zip(made) {
        g.give(*at, value);
    }
    Ok(())
}

fn values(g: &mut Graph, op: &Operator, from: usize) -> Refused<Vec<String>> {
    (from..op.inputs.len()).map(|at| g.value(op.input(at)?)).collect()
}

fn single(names: Vec<String>) -> Refused<String> {
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Ok(name),
        Err(names) => Err(format!("of a condition of {} values", names.len())),
    }
}

/// The type in which a tensor's values pass.
fn carrier(g: &Graph, at: usize) -> DataType {
    let tensor = &g.tensors[at];
    if tensor.is_quantised() { DataType::Float } else { tensor.dtype }
}

/// Gives a value out of a graph, under a name of its own: it may be one that the graph did not make.
fn give(g: &Graph, body: &mut GraphProto, name: &str, dtype: DataType) {
    let output = g.fresh("out");
    body.node.push(NodeProto {
        name: output.clone(),
        op_type: "Identity".to_owned(),
        input: vec![name.to_owned()],
        output: vec![output.clone()],
        ..NodeProto::default()
    });
    body.output.push(declared(&output, dtype));
}

/// A value of a known type and any shape.
fn declared(name: &str, dtype: DataType) -> ValueInfoProto {
    let tensor = Tensor { elem_type: dtype as i32, shape: None };
    let value = Some(Value::TensorType(tensor));
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value, ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}
