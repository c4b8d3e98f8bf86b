//! `ZipMap`: the scores of each class, which ONNX gives as a sequence of maps.
//!
//! In: a table of scores. Out: the same table. The engine has tensors only, so the sequence stays one;
//! the signature names the class of each column.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::kernel::{Built, Fact, Kernel, Wiring, operator, table};
use super::labels::Labels;

#[derive(Debug)]
struct ZipMap {
    classes: usize,
}

pub(in super::super) fn build(_: &ParsingContext, node: &NodeProto) -> Built {
    let classes = Labels::of(node, "classlabels_int64s", "classlabels_strings")?.len();
    ensure!(classes > 0, "it names no classes");
    operator(ZipMap { classes })
}

impl Kernel for ZipMap {
    fn name(&self) -> &'static str {
        "ZipMap"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let (datum_type, shape) = &inputs[0];
        let (rows, columns) = table(shape)?;
        ensure!(
            columns == self.classes.to_dim(),
            "it names {} classes, its input has {columns} columns",
            self.classes
        );
        Ok(tvec!((*datum_type, tvec!(rows, columns))))
    }

    fn lower(
        &self,
        wiring: &mut Wiring,
        inputs: &[OutletId],
    ) -> TractResult<Option<TVec<OutletId>>> {
        let x = inputs[0];
        let flat = wiring.fact(x)?.rank() == 1;
        Ok(Some(tvec!(if flat { wiring.wire(AxisOp::Add(0), &[x])? } else { x })))
    }
}
