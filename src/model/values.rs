//! The operators that run between segments: control flow, sequences and optionals.
//!
//! In: a node. Out: whether it is one, and what it does. To add an operator: one row in [`ROWS`].

use std::collections::HashSet;

use tract_onnx::pb;

use super::ops::is_default;
#[cfg(feature = "images")]
use super::program::Pixels;
use super::program::{Body, Loop, Operator, Scan, Values};
use super::split::{Outer, Splitter, invalid};
use super::{Kind, scope, signature};
use crate::error::Result;

/// (operator, what it does); those with nested graphs are read from the node.
const ROWS: &[(&str, Option<Values>)] = &[
    ("ConcatFromSequence", Some(Values::Concat { axis: 0, new_axis: false })),
    ("If", None),
    #[cfg(feature = "images")]
    ("ImageDecoder", None),
    ("Loop", None),
    ("Optional", Some(Values::Optional)),
    ("OptionalGetElement", Some(Values::GetElement)),
    ("OptionalHasElement", Some(Values::HasElement)),
    ("SequenceAt", Some(Values::At)),
    ("SequenceConstruct", Some(Values::Construct)),
    ("SequenceEmpty", Some(Values::Empty)),
    ("SequenceErase", Some(Values::Erase)),
    ("SequenceInsert", Some(Values::Insert)),
    ("SequenceLength", Some(Values::Length)),
    ("SequenceMap", None),
    ("SplitToSequence", Some(Values::Split { axis: 0, keepdims: true })),
];

/// Whether it is an operator of this table that the importer does not have.
pub(super) fn is_known(domain: &str, op_type: &str) -> bool {
    is_default(domain) && ROWS.iter().any(|(name, _)| *name == op_type)
}

/// Whether a model must be split at all: most are one graph of tensor operators.
pub(super) fn must_split(graph: &pb::GraphProto, opset: i64) -> bool {
    let values = graph.input.iter().chain(&graph.output);
    values.clone().any(|v| !Kind::of(v).is_tensor()) || holds_special(graph, opset)
}

fn holds_special(graph: &pb::GraphProto, opset: i64) -> bool {
    graph.node.iter().any(|node| {
        let alone = node.op_type != "If" && is_special(node, opset, &HashSet::new());
        alone || scope::nested(node).any(|g| holds_special(g, opset) || tells_itself(g))
    })
}

/// Whether a nested graph finds how large its own tensors are: a plan that chooses between branches in a run cannot be cut
/// inside of them.
fn tells_itself(graph: &pb::GraphProto) -> bool {
    const FINDS: &[&str] = &["Compress", "NonMaxSuppression", "NonZero", "Unique"];
    const SIZED: &[&str] = &["ConstantOfShape", "Expand", "Pad", "Range", "Resize", "Tile", "TopK"];
    holds(graph, FINDS) && holds(graph, SIZED)
}

fn holds(graph: &pb::GraphProto, operators: &[&str]) -> bool {
    graph.node.iter().any(|node| {
        is_default(&node.domain) && operators.contains(&node.op_type.as_str())
            || scope::nested(node).any(|g| holds(g, operators))
    })
}

/// Whether a node is outside of the segments, where `loose` may be no tensors.
pub(super) fn is_special(node: &pb::NodeProto, opset: i64, loose: &HashSet<&str>) -> bool {
    if !is_default(&node.domain) {
        return false;
    }
    match node.op_type.as_str() {
        "Identity" => node.input.iter().any(|n| loose.contains(n.as_str())),
        "Scan" => {
            let untyped =
                |g: &pb::GraphProto| g.input.iter().any(|i| signature::declared_type(i).is_none());
            opset < 9 || scope::nested(node).any(|g| untyped(g) || holds_special(g, opset))
        }
        op_type => is_known("", op_type),
    }
}

/// What a special node does, and what each of its nested graphs reads from outside.
pub(super) fn operator<'a>(
    splitter: &mut Splitter<'a>,
    node: &'a pb::NodeProto,
    outer: &Outer<'a>,
) -> Result<(Operator, Vec<Vec<&'a str>>)> {
    let mut captures = vec![];
    let mut body = |name: &str| -> Result<(Body, &'a pb::GraphProto)> {
        let graph = attribute(node, name).and_then(|a| a.g.as_ref());
        let graph = graph.ok_or_else(|| bad(node, &format!("has no {name}")))?;
        let (body, captured) = splitter.body(graph, outer)?;
        captures.push(captured);
        Ok((body, graph))
    };
    let operator = match node.op_type.as_str() {
        "If" => {
            let ((then_branch, a), (else_branch, b)) = (body("then_branch")?, body("else_branch")?);
            let outputs = node.output.len();
            if [a, b].iter().any(|g| !g.input.is_empty() || g.output.len() < outputs) {
                return Err(bad(node, "has branches with other inputs or outputs than its own"));
            }
            Operator::If { then_branch, else_branch }
        }
        "Loop" => {
            let (body, graph) = body("body")?;
            let carried = node.input.len().saturating_sub(2);
            let fits = graph.input.len() == carried + 2
                && graph.output.len() > carried
                && node.output.len() < graph.output.len();
            if !fits {
                return Err(bad(node, "has a body with other inputs or outputs than its own"));
            }
            let rank = |at: usize| graph.input.get(at).map_or(0, signature::declared_rank);
            let ranks = [rank(0), rank(1)];
            Operator::Loop(Loop { body, ranks, declared: declared(graph) })
        }
        "Scan" => {
            let (body, graph) = body("body")?;
            scan(node, body, graph, splitter.opset < 9)?
        }
        #[cfg(feature = "images")]
        "ImageDecoder" => {
            let format = attribute(node, "pixel_format").map_or(&b"RGB"[..], |a| &a.s);
            let pixels = match format {
                b"RGB" => Pixels::Rgb,
                b"BGR" => Pixels::Bgr,
                b"Grayscale" => Pixels::Grey,
                other => {
                    let other = String::from_utf8_lossy(other);
                    return Err(bad(node, &format!("has the unknown pixel_format {other}")));
                }
            };
            Operator::Image(pixels)
        }
        "SequenceMap" => {
            let (body, graph) = body("body")?;
            if graph.input.len() != node.input.len() || graph.output.len() < node.output.len() {
                return Err(bad(node, "has a body with other inputs or outputs than its own"));
            }
            Operator::SequenceMap(body)
        }
        "Identity" => Operator::Values(Values::Same),
        op_type => {
            let row = ROWS.iter().find(|(name, _)| *name == op_type).and_then(|(_, op)| *op);
            let int = |name: &str, default| attribute(node, name).map_or(default, |a| a.i);
            let values = match row.ok_or_else(|| bad(node, "is not known"))? {
                Values::Concat { .. } => {
                    Values::Concat { axis: int("axis", 0), new_axis: int("new_axis", 0) == 1 }
                }
                Values::Split { .. } => {
                    Values::Split { axis: int("axis", 0), keepdims: int("keepdims", 1) == 1 }
                }
                other => other,
            };
            Operator::Values(values)
        }
    };
    Ok((operator, captures))
}

fn scan<'a>(
    node: &'a pb::NodeProto,
    body: Body,
    graph: &'a pb::GraphProto,
    batched: bool,
) -> Result<Operator> {
    let given = attribute(node, "num_scan_inputs").and_then(|a| usize::try_from(a.i).ok());
    let scan_inputs = given.ok_or_else(|| bad(node, "has no num_scan_inputs"))?;
    let states = (node.input.len() - usize::from(batched && !node.input.is_empty()))
        .checked_sub(scan_inputs)
        .filter(|states| *states <= graph.output.len())
        .filter(|states| graph.input.len() == states + scan_inputs)
        .filter(|_| scan_inputs > 0 && node.output.len() <= graph.output.len())
        .ok_or_else(|| bad(node, "has a body with other inputs or outputs than its own"))?;
    let outputs = graph.output.len() - states;
    let list = |name: &str, count: usize| -> Result<Vec<i64>> {
        let list = attribute(node, name).map_or_else(|| vec![0; count], |a| a.ints.clone());
        let fits = list.len() == count;
        fits.then_some(list).ok_or_else(|| bad(node, &format!("has {name} of another length")))
    };
    let reversed = |name: &str, count: usize| -> Result<Vec<bool>> {
        Ok(list(name, count)?.into_iter().map(|d| d == 1).collect())
    };
    let input_directions = if batched { "directions" } else { "scan_input_directions" };
    Ok(Operator::Scan(Scan {
        body,
        batched,
        scan_inputs,
        input_axes: list("scan_input_axes", scan_inputs)?,
        output_axes: list("scan_output_axes", outputs)?,
        input_reversed: reversed(input_directions, scan_inputs)?,
        output_reversed: reversed("scan_output_directions", outputs)?,
        declared: declared(graph),
    }))
}

fn declared(graph: &pb::GraphProto) -> Vec<Option<(crate::DType, Vec<usize>)>> {
    let each = |v| Some((signature::declared_type(v)?, signature::declared_shape(v)));
    graph.output.iter().map(each).collect()
}

fn attribute<'a>(node: &'a pb::NodeProto, name: &str) -> Option<&'a pb::AttributeProto> {
    node.attribute.iter().find(|a| a.name == name)
}

fn bad(node: &pb::NodeProto, what: &str) -> crate::Error {
    let name = super::inspect::node_name(node);
    invalid(format!("node `{name}` ({}) {what}", node.op_type))
}
