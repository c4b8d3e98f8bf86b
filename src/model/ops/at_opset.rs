//! An operator of another operator set than the model's: of a function that imports its own.
//!
//! In: a node under [`KEY`] with its own type and operator set in attributes. Out: what the operator's
//! builder makes of it when it is told that operator set.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::{AttributeProto, NodeProto, attribute_proto::AttributeType};
use tract_onnx::tract_hir::internal::*;

use super::host::Built;

/// The type under which such nodes are imported.
pub(crate) const KEY: &str = "nearside.AtOpset";
const OPSET: &str = "nearside.opset";
const TYPE: &str = "nearside.type";

/// The attribute that says the operator set.
pub(crate) fn mark(opset: i64) -> AttributeProto {
    AttributeProto {
        name: OPSET.to_owned(),
        r#type: AttributeType::Int as i32,
        i: opset,
        ..AttributeProto::default()
    }
}

/// The operator set of a marked node.
pub(crate) fn of(node: &NodeProto) -> Option<i64> {
    node.attribute.iter().find(|a| a.name == OPSET).map(|a| a.i)
}

/// Renames a marked node for the importer. Control flow, sequences and optionals are not the importer's.
pub(crate) fn rename(node: &mut NodeProto) {
    let flow = node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
    let held = ["Sequence", "Optional"].iter().any(|word| node.op_type.contains(word));
    if of(node).is_some() && !flow && !held {
        let op_type = std::mem::replace(&mut node.op_type, KEY.to_owned());
        node.attribute.push(AttributeProto {
            name: TYPE.to_owned(),
            r#type: AttributeType::String as i32,
            s: op_type.into_bytes(),
            ..AttributeProto::default()
        });
    }
}

/// The operator's own type, of any node.
pub(crate) fn op_type(node: &NodeProto) -> String {
    let own = node.attribute.iter().find(|a| a.name == TYPE).filter(|_| node.op_type == KEY);
    own.map_or_else(|| node.op_type.clone(), |a| String::from_utf8_lossy(&a.s).into_owned())
}

pub(super) fn build(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let opset = of(node).context("no operator set")?;
    let mut inner = node.clone();
    inner.op_type = op_type(node);
    inner.attribute.retain(|a| a.name != OPSET && a.name != TYPE);
    ensure!(inner.op_type != KEY, "no operator");
    let build = ctx.framework.op_register.0.get(&inner.op_type);
    let build = build.with_context(|| format!("the engine has no {}", inner.op_type))?;
    let mut ctx = ctx.clone();
    ctx.onnx_operator_set_version = opset;
    build(&ctx, &inner)
}
