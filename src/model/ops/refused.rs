//! Attributes that the engine's importer reads over, so that its results would be wrong.
//!
//! In: a node. Out: the engine's operator, or a refusal that names the attribute.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::host::Built;

pub(super) fn space_to_depth(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let mode = node.get_attr_opt("mode")?.unwrap_or("DCR");
    ensure!(mode == "DCR", "mode {mode} is not implemented");
    super::theirs(ctx, node)
}

pub(super) fn swish(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let alpha = node.get_attr_opt("alpha")?.unwrap_or(1f32);
    ensure!(alpha == 1.0, "alpha {alpha} is not implemented");
    super::theirs(ctx, node)
}
